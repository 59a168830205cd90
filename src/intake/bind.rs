//! Creates and binds the sockets of every transport, and sets owner and mode of socket files.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::{Group, User};
use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, Uid, chownat, fchmod, flock};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::addr::SocketAddrArg;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use rustix::process::geteuid;

use super::socket_file::SocketFile;
use super::sys;
use crate::config::{Address, Endpoint, IntakeConfig, UnixName};

/// How many connections may wait to be accepted. The kernel lets one more wait.
const BACKLOG: i32 = 1024;
pub(super) const MAX_WAITING: usize = BACKLOG as usize + 1;

/// How long a start waits for another one that binds in the same folder. To bind takes milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// A bound socket of a listener; one for streams listens and is non-blocking.
#[derive(Debug)]
pub(crate) struct BoundSocket {
    /// With the port that the kernel chose for port 0.
    pub(super) address: Address,
    /// It is dropped before the socket is closed, because only until then its identity is unique.
    file: Option<SocketFile>,
    /// Whether the service manager has made it, and keeps it for the next process.
    pub(super) is_passed: bool,
    pub(crate) fd: OwnedFd,
}

impl BoundSocket {
    /// Binds `address`, one of the listeners of `intake`.
    pub(crate) fn new(address: &Address, intake: &IntakeConfig) -> io::Result<Self> {
        Self::bind(address, intake, true)
    }

    /// The same; `warns` says whether the log tells of a locked folder.
    fn bind(address: &Address, intake: &IntakeConfig, warns: bool) -> io::Result<Self> {
        let fd = socket(address, intake)?;
        let (address, file) = match address {
            Address::Udp(socket) => (Address::Udp(bind_ip(&fd, socket)?), None),
            Address::Tcp(socket) => (Address::Tcp(bind_ip(&fd, socket)?), None),
            Address::Unixgram(name) | Address::Unix(name) | Address::UnixDogstatsd(name) => {
                let file = match name {
                    UnixName::File(path) => Some(bind_file(&fd, path, address, intake, warns)?),
                    UnixName::Abstract(name) => bind_name(&fd, name).map(|()| None)?,
                };
                (address.clone(), file)
            }
        };
        Ok(Self { address, file, is_passed: false, fd })
    }

    /// A socket that the service manager has bound to `address`, with the options of one that is bound here. The manager
    /// owns its file.
    pub(crate) fn passed(fd: OwnedFd, address: &Address, intake: &IntakeConfig) -> io::Result<Self> {
        if address.framing().is_some() {
            ioctl_fionbio(&fd, true)?;
        }
        set_options(&fd, address, intake)?;
        Ok(Self { address: address.clone(), file: None, is_passed: true, fd })
    }

    /// Whether it has a file that is made anew if it is lost.
    pub(super) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Removes the socket file, so that no client connects any more.
    pub(super) fn remove_file(&self) {
        self.file.iter().for_each(SocketFile::remove);
    }

    /// Whether clients find the socket: false if [`restore`](Self::restore) could not make the file anew.
    pub(super) fn is_bound(&self) -> bool {
        self.file.as_ref().is_none_or(SocketFile::is_bound)
    }

    /// Binds the socket anew if its file is gone or another one has its place. The descriptor is that of the new socket
    /// then. Gives the old socket, which clients do not find any more.
    pub(super) fn restore(&self, intake: &IntakeConfig) -> Option<OwnedFd> {
        self.file.as_ref()?.restore(&self.address, || {
            let new = Self::bind(&self.address, intake, false)?;
            let file = new.file.ok_or(io::ErrorKind::Unsupported)?;
            let old = self.fd.try_clone()?;
            sys::replace(self.fd.as_fd(), new.fd.as_fd())?;
            Ok((old, file))
        })
    }
}

/// Creates a socket for `address` and sets its options.
fn socket(address: &Address, intake: &IntakeConfig) -> io::Result<OwnedFd> {
    let family = match address.ip() {
        Some(socket) if socket.is_ipv6() => AddressFamily::INET6,
        Some(_) => AddressFamily::INET,
        None => AddressFamily::UNIX,
    };
    let (kind, flags) = kind(address);
    let fd = net::socket_with(family, kind, flags, None)?;
    if family == AddressFamily::INET6 {
        // An IPv6 wildcard takes IPv4 too, unless another listener asks for that port. Always set, because the default
        // depends on the machine (net.ipv6.bindv6only).
        sockopt::set_ipv6_v6only(&fd, intake.listen.iter().any(|other| is_ipv4_of(address, other)))?;
    }
    if let Address::Tcp(_) = address {
        // Connections of an earlier process on this port may linger for a minute.
        sockopt::set_socket_reuseaddr(&fd, true)?;
    }
    set_options(&fd, address, intake)?;
    Ok(fd)
}

/// Sets the options that a bound socket can still get.
///
/// The receive buffer of datagrams is set to the config's size: by force if the process may (`CAP_NET_ADMIN`), else up to
/// `net.core.rmem_max`. It is never made smaller.
fn set_options(fd: &OwnedFd, address: &Address, intake: &IntakeConfig) -> io::Result<()> {
    if let Address::Tcp(_) = address {
        // Accepted connections inherit these options. After a minute of silence, four probes may stay unanswered.
        sockopt::set_socket_keepalive(fd, true)?;
        sockopt::set_tcp_keepidle(fd, Duration::from_secs(60))?;
        sockopt::set_tcp_keepintvl(fd, Duration::from_secs(15))?;
        sockopt::set_tcp_keepcnt(fd, 4)?;
    }
    if let (Address::Unixgram(_), Some(_)) = (address, &intake.allow_uids) {
        // The kernel adds the sender to each datagram.
        sockopt::set_socket_passcred(fd, true)?;
    }
    if address.framing().is_none()
        && let Some(bytes) = intake.receive_buffer
        && sockopt::socket_recv_buffer_size(fd)? < bytes
        && sockopt::set_socket_recv_buffer_size_force(fd, bytes).is_err()
    {
        sockopt::set_socket_recv_buffer_size(fd, bytes)?;
    }
    Ok(())
}

/// Whether an IPv6 wildcard `address` would also take what is sent to `other`.
fn is_ipv4_of(address: &Address, other: &Address) -> bool {
    match (address, other) {
        (Address::Udp(six), Address::Udp(four)) | (Address::Tcp(six), Address::Tcp(four)) => {
            let (Some(six), Some(four)) = (six.ip(), four.ip()) else { return false };
            six.is_ipv6() && six.ip().is_unspecified() && four.is_ipv4() && six.port() == four.port()
        }
        _ => false,
    }
}

fn kind(address: &Address) -> (SocketType, SocketFlags) {
    match address.framing() {
        None => (SocketType::DGRAM, SocketFlags::CLOEXEC),
        Some(_) => (SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK),
    }
}

fn bind_to(fd: &OwnedFd, name: &impl SocketAddrArg) -> Result<(), Errno> {
    net::bind(fd, name)?;
    if sockopt::socket_type(fd)? == SocketType::STREAM {
        net::listen(fd, BACKLOG)?;
    }
    Ok(())
}

/// Binds a host whose name is resolved already.
fn bind_ip(fd: &OwnedFd, endpoint: &Endpoint) -> io::Result<Endpoint> {
    let socket = endpoint.ip().ok_or(io::ErrorKind::AddrNotAvailable)?;
    bind_to(fd, &socket)?;
    Ok(Endpoint::Ip(SocketAddr::try_from(net::getsockname(fd)?).unwrap_or(socket)))
}

fn bind_name(fd: &OwnedFd, name: &str) -> io::Result<()> {
    match bind_to(fd, &SocketAddrUnix::new_abstract_name(name.as_bytes())?) {
        Err(Errno::ADDRINUSE) => {
            Err(io::Error::other("another program has this name; stop it, or choose another name"))
        }
        bound => Ok(bound?),
    }
}

fn bind_file(
    fd: &OwnedFd,
    path: &str,
    address: &Address,
    intake: &IntakeConfig,
    warns: bool,
) -> io::Result<SocketFile> {
    let uid = |name: &str| Ok(User::from_name(name)?.map(|user| user.uid.as_raw()));
    let gid = |name: &str| Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()));
    let owner = intake.owner.as_deref().map(|name| id("owner", "owner", name, uid)).transpose()?;
    let group = intake.group.as_deref().map(|name| id("group", "group", name, gid)).transpose()?;
    // Linux gives the file the mode of the socket. So no other user can connect until owner and mode are set.
    fchmod(fd, Mode::RUSR | Mode::WUSR)?;
    let name = SocketAddrUnix::new(path)?;
    let lock = locked_folder(path);
    if warns && lock.is_err() {
        tracing::warn!(path, "another program has locked the folder of the socket; going on without the lock");
    }
    match bind_to(fd, &name) {
        Err(Errno::ADDRINUSE) => {
            remove_if_stale(path, &name, address)?;
            bind_to(fd, &name)?;
        }
        Err(Errno::NOENT) => return Err(io::Error::other("the folder does not exist; create it first")),
        Err(Errno::ACCESS) => return Err(io::Error::other("this user may not write to the folder")),
        bound => bound?,
    }
    drop(lock);
    let opened = opened(path)?;
    let file = SocketFile::new(path.as_ref(), &opened.metadata()?);
    if owner.is_some() || group.is_some() {
        let (owner, group) = (owner.map(Uid::from_raw), group.map(Gid::from_raw));
        chownat(&opened, "", owner, group, AtFlags::EMPTY_PATH).map_err(|error| {
            io::Error::other(format!("the file cannot be given to the owner and the group of the config: {error}"))
        })?;
    }
    // Only this name leads to a descriptor of this kind, whatever has the path by now.
    let name = format!("/proc/self/fd/{}", opened.as_raw_fd());
    fs::set_permissions(name, fs::Permissions::from_mode(intake.mode))
        .map_err(|error| io::Error::other(format!("the mode of the file cannot be set by way of /proc: {error}")))?;
    Ok(file)
}

/// Opens the file of the socket that was just bound, without following a symbolic link.
///
/// Whoever may write to the folder can put another file in its place at any time, and must not get that file's owner and
/// mode changed. So both are changed by this descriptor, and only if it is a socket that this process can have made.
fn opened(path: &str) -> io::Result<fs::File> {
    let opened = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let opened = fs::File::from(opened);
    let found = opened.metadata()?;
    let is_ours = found.file_type().is_socket() && found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0;
    if !is_ours {
        return Err(io::Error::other(
            "another file took its place while it was made; let only this program write to the folder",
        ));
    }
    Ok(opened)
}

/// Locks the folder of `path`, until the result is dropped. Of several sidecars that start at once with the same path, only
/// one may then replace a stale file.
///
/// If the folder cannot be opened (`Ok(None)`) or locked, binding goes on without the lock. Every local user who can read the
/// folder can lock it, and must not be able to keep the program from its start; so the wait is short.
fn locked_folder(path: &str) -> io::Result<Option<OwnedFd>> {
    let Some(folder) = Path::new(path).parent() else { return Ok(None) };
    let Ok(folder) = rustix::fs::open(folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else {
        return Ok(None);
    };
    let deadline = Instant::now() + LOCK_WAIT;
    while flock(&folder, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(Some(folder))
}

/// Removes the socket file of a process that was killed: one that refuses connections. Any other file stays.
fn remove_if_stale(path: &str, name: &SocketAddrUnix, address: &Address) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::other("a file of this name exists and is no socket; remove it, or choose another path"));
    }
    let (kind, flags) = kind(address);
    let probe = net::socket_with(AddressFamily::UNIX, kind, flags | SocketFlags::NONBLOCK, None)?;
    match net::connect(&probe, name) {
        Err(Errno::CONNREFUSED) => {
            fs::remove_file(path).map_err(|error| {
                io::Error::other(format!(
                    "the stale socket file of an ended program cannot be removed: {error}; remove it first"
                ))
            })?;
            tracing::info!(listener = %address, "replaced the stale socket file of an ended program");
            Ok(())
        }
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::ACCESS) => Err(io::Error::other(
            "a socket of another user exists and may be in use; remove it if it is not, or choose another path",
        )),
        Ok(()) | Err(_) => {
            Err(io::Error::other("another program listens on this socket; stop it, or choose another path"))
        }
    }
}

/// The id of a user or group by its name, or by the id itself.
pub(super) fn id(
    key: &str,
    what: &str,
    name: &str,
    find: impl Fn(&str) -> nix::Result<Option<u32>>,
) -> io::Result<u32> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    match find(name) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(io::Error::other(format!("this machine has no {what} {name:?}; correct [intake] {key}"))),
        Err(error) => Err(io::Error::other(format!("[intake] {key} {name:?} cannot be looked up: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A local user who may write to the folder puts links to another file in the place of the socket, again and again.
    #[test]
    fn a_link_in_the_place_of_the_socket_gives_no_other_file_away() {
        let folder = std::env::temp_dir().join(format!("statsidecar-bind-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (path, link, victim) = (folder.join("s"), folder.join("link"), folder.join("victim"));
        fs::write(&victim, "secret").expect("a file");
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).expect("a mode");
        let stop = AtomicBool::new(false);
        let bound = thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    if fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket()) {
                        let _ = symlink(&victim, &link);
                        let _ = fs::rename(&link, &path);
                    }
                }
            });
            let address = Address::Unixgram(UnixName::File(path.to_str().expect("text").to_owned()));
            let intake = IntakeConfig { mode: 0o666, ..IntakeConfig::default() };
            let mut bound = 0;
            for _ in 0..2000 {
                bound += usize::from(BoundSocket::new(&address, &intake).is_ok());
                let _ = fs::remove_file(&path);
            }
            stop.store(true, Ordering::Relaxed);
            bound
        });
        let mode = fs::metadata(&victim).expect("it is there").mode() & 0o777;
        fs::remove_dir_all(&folder).expect("the folder can be removed");
        assert_eq!(mode, 0o600, "{bound} of 2000 sockets were bound");
    }
}
