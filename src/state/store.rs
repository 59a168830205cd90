//! The store: the arena and the snapshot of one state, and the time since it began.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::time::{ClockId, clock_gettime};

use super::arena::{Arena, LeftSlot};
use super::folder::Folder;
use super::header::{ArenaHeader, HeaderError};
use super::snapshot::{SnapshotError, SnapshotHead, SnapshotReader, SnapshotWriter};

/// Where the state of a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatePlaces {
    /// The folder of the snapshot, on a disk.
    pub snapshot: PathBuf,
    /// The folder of the arena, in memory.
    pub arena: PathBuf,
}

/// How the service manager keeps a file in memory for the next process.
#[derive(Debug, Default)]
pub enum KeptFile {
    /// It keeps none: the arena is a file in its folder.
    #[default]
    None,
    /// It would keep one, and has none yet.
    Wanted,
    /// It has kept this one.
    Kept(OwnedFd),
}

/// The state of this process, which the next one will find.
#[derive(Debug)]
pub struct Store {
    folder: Folder,
    layout: u64,
    id: u64,
    serial: u32,
    arena: Arc<Arena>,
    /// The file of a new arena, and its header; `None`: it has all series already.
    new_arena: Option<(File, ArenaHeader)>,
    /// Locked files in both folders. A lock on the arena's file would last until it is unmapped.
    _locks: [Option<File>; 2],
}

/// What an earlier process has left.
#[derive(Debug, Default)]
pub struct Legacy {
    /// The series in the arena.
    pub found: Vec<LeftSlot>,
    /// The series in the snapshot.
    pub snapshot: Option<SnapshotReader<File>>,
    /// Whether the arena was whole. Then it has every series that the snapshot says is there, unless that is gone.
    pub arena_is_whole: bool,
    /// What the clock tells now.
    pub clock: u32,
    /// What could not be used, one sentence for each file.
    pub warnings: Vec<String>,
}

/// A file or a folder of the state that cannot be used, and why.
#[derive(Debug)]
pub struct StoreError(pub PathBuf, pub io::Error);

/// The names of the files.
const ARENA: &str = "arena";
const SNAPSHOT: &str = "snapshot";
const LOCK: &str = "lock";
const ARENA_LOCK: &str = "arena.lock";

impl Store {
    /// Opens the state in these places, for values of this layout, and gives what an earlier process has left. A file that
    /// cannot be used is given another name, and the state begins anew.
    ///
    /// If the service manager is to keep a new file, `keep` hands it over.
    pub fn open(
        places: &StatePlaces,
        layout: u64,
        kept: KeptFile,
        keep: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(Self, Legacy), StoreError> {
        let folder = Folder::open(&places.snapshot).map_err(|error| StoreError(places.snapshot.clone(), error))?;
        let lock = folder.lock(LOCK).map_err(|error| StoreError(places.snapshot.clone(), error))?;
        let mut legacy = Legacy::default();
        let snapshot = open_snapshot(&folder, layout, &mut legacy.warnings);
        let (boot, uptime) = (boot(), uptime());
        let mut file = ArenaFile::open(places, kept)?;
        let head = snapshot.as_ref().map(SnapshotReader::head);
        let recovered = file.recover(layout, boot, head, &mut legacy.warnings);
        let locks = [Some(lock), file.lock.take()];
        let (arena, new_arena, id, serial) = match recovered {
            Some((arena, header, found)) => {
                legacy.clock = (uptime - header.origin).clamp(0, u32::MAX.into()) as u32;
                (legacy.found, legacy.arena_is_whole) = (found, true);
                (arena, None, header.id, header.serial)
            }
            None => {
                legacy.clock = head.map_or(0, |head| clock_after(&head, unix_now()));
                let id = head.map_or_else(|| fastrand::u64(1..), |head| head.id);
                let serial = head.map_or(0, |head| head.serial) + 1;
                let origin = uptime - i64::from(legacy.clock);
                let header = ArenaHeader { layout, boot, id, origin, serial, generation: 0 };
                let (arena, file) = file.create(&header, keep)?;
                (arena, Some((file, header)), id, serial)
            }
        };
        if head.is_some_and(|head| head.id != id) {
            let aside = set_aside(&folder, SNAPSHOT);
            legacy.warnings.push(format!("{aside}: it is the snapshot of another state than the arena has"));
        } else {
            legacy.snapshot = snapshot;
        }
        Ok((Self { folder, layout, id, serial, arena, new_arena, _locks: locks }, legacy))
    }

    /// The arena.
    pub fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    /// Notes that the arena has all series that an earlier process has left. Until then the next process takes the snapshot.
    pub fn restored(&mut self) -> io::Result<()> {
        let Some((file, header)) = self.new_arena.take() else { return Ok(()) };
        ArenaHeader { generation: 1, ..header }.write(&file)
    }

    /// Writes a snapshot with what `write` adds, in place of the last one, when the clock tells `clock`. If that fails, the
    /// last one stays.
    pub fn save(
        &self,
        clock: u32,
        write: impl FnOnce(&mut SnapshotWriter<BufWriter<File>>) -> io::Result<()>,
    ) -> io::Result<()> {
        const NEW: &str = "snapshot.new";
        let written = self.write(NEW, clock, write);
        if written.is_err() {
            // It would take the room that the next one needs.
            self.folder.remove(NEW);
        }
        written?;
        self.folder.rename(NEW, SNAPSHOT)?;
        self.folder.sync()
    }

    fn write(
        &self,
        name: &str,
        clock: u32,
        write: impl FnOnce(&mut SnapshotWriter<BufWriter<File>>) -> io::Result<()>,
    ) -> io::Result<()> {
        let file = BufWriter::with_capacity(256 << 10, self.folder.empty_file(name)?);
        let head = SnapshotHead { layout: self.layout, id: self.id, serial: self.serial, clock, made: unix_now() };
        let mut writer = SnapshotWriter::begin(file, &head)?;
        write(&mut writer)?;
        writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// The file of the arena, and where it is.
struct ArenaFile {
    /// Its folder; `None`: the service manager keeps it.
    folder: Option<Folder>,
    path: PathBuf,
    file: File,
    /// Whether the service manager does not have it yet.
    is_new: bool,
    /// Whether it could not be used, and has another name now.
    is_aside: bool,
    lock: Option<File>,
}

impl ArenaFile {
    fn open(places: &StatePlaces, kept: KeptFile) -> Result<Self, StoreError> {
        let error = |error| StoreError(places.arena.clone(), error);
        let kept_path = || PathBuf::from("the arena that the service manager keeps");
        let of_manager =
            |file: File, is_new| Self { folder: None, path: kept_path(), file, is_new, is_aside: false, lock: None };
        Ok(match kept {
            KeptFile::Kept(fd) => of_manager(fd.into(), false),
            KeptFile::Wanted => of_manager(file_in_memory().map_err(error)?, true),
            KeptFile::None => {
                let folder = Folder::open(&places.arena).map_err(error)?;
                let lock = folder.lock(ARENA_LOCK).map(Some).map_err(error)?;
                let file = folder.file(ARENA).map_err(error)?;
                Self { path: folder.path(ARENA), folder: Some(folder), file, is_new: false, is_aside: false, lock }
            }
        })
    }

    /// What an earlier process has left, if it can be used.
    fn recover(
        &mut self,
        layout: u64,
        boot: u128,
        snapshot: Option<SnapshotHead>,
        warnings: &mut Vec<String>,
    ) -> Option<(Arc<Arena>, ArenaHeader, Vec<LeftSlot>)> {
        match self.try_recover(layout, boot, snapshot) {
            Ok(recovered) => Some(recovered),
            Err(HeaderError::Empty) => None,
            Err(error) => {
                let why = match error {
                    HeaderError::OtherVersion => "another version of this program has written it".to_owned(),
                    HeaderError::OtherBoot => "it is from before the last start of the machine".to_owned(),
                    HeaderError::Outdated => "the snapshot is of a newer one, which was in another place".to_owned(),
                    HeaderError::Unreadable(error) => error.to_string(),
                    HeaderError::Damaged | HeaderError::Empty => "it is damaged".to_owned(),
                };
                let aside = match &self.folder {
                    Some(folder) => {
                        self.is_aside = true;
                        set_aside(folder, ARENA)
                    }
                    None => self.path.display().to_string(),
                };
                warnings.push(format!("{aside}: {why}"));
                None
            }
        }
    }

    fn try_recover(
        &self,
        layout: u64,
        boot: u128,
        snapshot: Option<SnapshotHead>,
    ) -> Result<(Arc<Arena>, ArenaHeader, Vec<LeftSlot>), HeaderError> {
        let header = ArenaHeader::read(&self.file, layout, boot)?;
        if snapshot.is_some_and(|snapshot| snapshot.id == header.id && snapshot.serial > header.serial) {
            return Err(HeaderError::Outdated);
        }
        let (arena, found) = Arena::recover(self.file.try_clone()?)?;
        let header = ArenaHeader { generation: header.generation + 1, ..header };
        header.write(&self.file)?;
        Ok((arena.into(), header, found))
    }

    /// Makes a new arena. If the file could not be used, it has another name now, and a new file is made.
    fn create(
        self,
        header: &ArenaHeader,
        keep: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(Arc<Arena>, File), StoreError> {
        let failed = |error| StoreError(self.path.clone(), error);
        let create = || {
            let file = match self.folder.as_ref().filter(|_| self.is_aside) {
                Some(folder) => folder.file(ARENA)?,
                None => self.file.try_clone()?,
            };
            if self.is_new {
                keep(&file)?;
            }
            Ok((Arena::create(file.try_clone()?, header)?.into(), file))
        };
        create().map_err(failed)
    }
}

/// A file in memory that has no name.
fn file_in_memory() -> io::Result<File> {
    Ok(memfd_create("statsidecar-arena", MemfdFlags::CLOEXEC)?.into())
}

/// Opens the snapshot, if there is one and it can be used.
fn open_snapshot(folder: &Folder, layout: u64, warnings: &mut Vec<String>) -> Option<SnapshotReader<File>> {
    let opened = folder.existing(SNAPSHOT).map_err(SnapshotError::Unreadable);
    let why = match opened.and_then(|file| file.map(|file| SnapshotReader::open(file, layout)).transpose()) {
        Ok(snapshot) => return snapshot,
        Err(SnapshotError::Damaged) => "it is damaged".to_owned(),
        Err(SnapshotError::OtherVersion) => "another version of this program has written it".to_owned(),
        Err(SnapshotError::Unreadable(error)) => error.to_string(),
    };
    warnings.push(format!("{}: {why}", set_aside(folder, SNAPSHOT)));
    None
}

/// Gives a file that cannot be used another name, so that somebody can look at it, and says where it is.
fn set_aside(folder: &Folder, name: &str) -> String {
    let aside = format!("{name}.unusable");
    match folder.rename(name, &aside) {
        Ok(()) => format!("{} is kept as {aside} and not used", folder.path(name).display()),
        Err(_) => format!("{} is not used", folder.path(name).display()),
    }
}

/// What the clock of a snapshot tells now. If the time of the machine was set back, it goes on from where it was.
fn clock_after(head: &SnapshotHead, now: u64) -> u32 {
    let elapsed = u32::try_from(now.saturating_sub(head.made)).unwrap_or(u32::MAX);
    head.clock.saturating_add(elapsed)
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds since the start of the machine. Nobody sets this clock.
fn uptime() -> i64 {
    clock_gettime(ClockId::Boottime).tv_sec
}

/// The start of the machine, as the kernel numbers it.
fn boot() -> u128 {
    let text = std::fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id")).unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Identity;
    use std::fs;

    fn places(dir: &Path) -> StatePlaces {
        StatePlaces { snapshot: dir.join("disk"), arena: dir.join("memory") }
    }

    fn open(places: &StatePlaces, layout: u64) -> (Store, Legacy) {
        let (mut store, legacy) = Store::open(places, layout, KeptFile::None, |_| Ok(())).expect("a store");
        store.restored().expect("a write");
        (store, legacy)
    }

    fn identity(name: &str) -> Identity {
        Identity { parts: [name.to_owned(), String::new(), String::new()], ..Identity::default() }
    }

    /// Leaves a series in the arena, and another in the snapshot.
    fn leave(store: Store) {
        let slot = store.arena().allocate(&identity("fast"), 1).expect("room");
        store.save(100, |writer| writer.add(&identity("slow"), 90, false, &[7])).expect("it can be saved");
        store.arena().leave();
        drop(slot);
    }

    fn left(legacy: Legacy) -> (Vec<String>, Vec<String>) {
        let found = legacy.found.iter().map(|(_, identity)| identity.parts[0].clone()).collect();
        (found, legacy.snapshot.into_iter().flatten().map(|record| record.identity.parts[0].clone()).collect())
    }

    #[test]
    fn the_next_process_finds_both_and_the_time_goes_on() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = places(dir.path());
        let (store, legacy) = open(&places, 1);
        assert_eq!((legacy.clock, legacy.arena_is_whole, legacy.warnings.as_slice()), (0, false, [].as_slice()));
        let busy = Store::open(&places, 1, KeptFile::None, |_| Ok(())).expect_err("another process has it");
        assert!(busy.1.to_string().contains("another process"), "{busy:?}");
        leave(store);
        let (store, legacy) = open(&places, 1);
        assert!(legacy.arena_is_whole && legacy.clock < 5 && legacy.warnings.is_empty(), "{legacy:?}");
        assert_eq!(left(legacy), (vec!["fast".to_owned()], vec!["slow".to_owned()]));
        drop(store);
        // After a start of the machine the memory is gone. The clock goes on from the snapshot.
        fs::remove_dir_all(&places.arena).expect("a folder");
        let (store, legacy) = open(&places, 1);
        assert!(!legacy.arena_is_whole && (100..105).contains(&legacy.clock), "{legacy:?}");
        assert_eq!(left(legacy), (vec![], vec!["slow".to_owned()]));
        drop(store);
        let (_, legacy) = open(&places, 1);
        assert!((100..105).contains(&legacy.clock) && legacy.snapshot.is_some(), "{legacy:?}");
    }

    #[test]
    fn files_that_cannot_be_used_are_set_aside_with_one_message() {
        for (layout, spoil, messages) in [
            (2, "nothing", ["another version", "another version"].as_slice()),
            (1, "arena", &["it is damaged"]),
            (1, "snapshot", &["it is damaged"]),
            (1, "id", &["another state"]),
        ] {
            let dir = tempfile::tempdir().expect("a folder");
            let places = places(dir.path());
            let (store, _) = open(&places, 1);
            leave(store);
            match spoil {
                "arena" => fs::write(places.arena.join(ARENA), "no arena").expect("a write"),
                "snapshot" => fs::write(places.snapshot.join(SNAPSHOT), "no snapshot").expect("a write"),
                "id" => {
                    let other = StatePlaces { arena: dir.path().join("other"), ..places.clone() };
                    fs::remove_file(places.snapshot.join(SNAPSHOT)).expect("a file");
                    leave(open(&other, 1).0);
                }
                _ => {}
            }
            let (store, legacy) = open(&places, layout);
            assert_eq!(legacy.warnings.len(), messages.len(), "{legacy:?}");
            for (warning, message) in legacy.warnings.iter().zip(messages) {
                assert!(warning.contains(message) && warning.contains(".unusable"), "{warning}");
            }
            drop(legacy);
            leave(store);
            let (_, legacy) = open(&places, layout);
            assert!(legacy.warnings.is_empty(), "{spoil}: {legacy:?}");
        }
    }

    /// The series of the snapshot that are not in the arena would count as expired.
    #[test]
    fn an_arena_that_was_never_ready_is_made_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = places(dir.path());
        let (store, _) = open(&places, 1);
        store.save(100, |writer| writer.add(&identity("fast"), 90, true, &[7])).expect("it can be saved");
        drop(store);
        fs::remove_dir_all(&places.arena).expect("a folder");
        for _ in 0..2 {
            let (store, legacy) = Store::open(&places, 1, KeptFile::None, |_| Ok(())).expect("a store");
            store.arena().allocate(&identity("fast"), 1).map(std::mem::forget).expect("room");
            assert!(!legacy.arena_is_whole && legacy.warnings.is_empty(), "{legacy:?}");
            assert_eq!(left(legacy), (vec![], vec!["fast".to_owned()]));
        }
    }

    /// What counts is the newest: an arena that was left in another place must not come back.
    #[test]
    fn an_arena_that_another_has_followed_is_not_used() {
        let dir = tempfile::tempdir().expect("a folder");
        let one = places(dir.path());
        let other = StatePlaces { arena: dir.path().join("other"), ..one.clone() };
        leave(open(&one, 1).0);
        let (store, legacy) = open(&other, 1);
        assert_eq!(left(legacy), (vec![], vec!["slow".to_owned()]), "the other folder has no arena yet");
        leave(store);
        let (store, legacy) = open(&one, 1);
        let [warning] = legacy.warnings.as_slice() else { panic!("{legacy:?}") };
        assert!(warning.contains("newer") && warning.contains("arena.unusable"), "{warning}");
        assert!(!legacy.arena_is_whole);
        assert_eq!(left(legacy), (vec![], vec!["slow".to_owned()]));
        leave(store);
        let (_, legacy) = open(&one, 1);
        assert!(legacy.warnings.is_empty() && legacy.arena_is_whole, "{legacy:?}");
    }

    #[test]
    fn a_file_that_the_manager_keeps_needs_no_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = places(dir.path());
        let mut kept = None;
        let keep = |file: &File| {
            kept = Some(file.try_clone()?);
            Ok(())
        };
        let (mut store, _) = Store::open(&places, 1, KeptFile::Wanted, keep).expect("a store");
        store.restored().expect("a write");
        leave(store);
        assert!(!places.arena.exists());
        let kept = KeptFile::Kept(kept.expect("it was handed over").into());
        let (_, legacy) = Store::open(&places, 1, kept, |_| panic!("it is kept")).expect("a store");
        assert_eq!(left(legacy).0, ["fast"]);
    }

    #[test]
    fn a_clock_that_was_set_back_goes_on() {
        let head = SnapshotHead { layout: 1, id: 2, serial: 1, clock: 50, made: 1000 };
        assert_eq!([900, 1000, 1010, u64::MAX].map(|now| clock_after(&head, now)), [50, 50, 60, u32::MAX]);
    }

    #[test]
    fn a_snapshot_that_fails_leaves_the_last_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = places(dir.path());
        let (store, _) = open(&places, 1);
        store.save(100, |writer| writer.add(&identity("slow"), 90, false, &[7])).expect("it can be saved");
        let failed = store.save(200, |_| Err(io::Error::other("no room")));
        assert_eq!(failed.expect_err("it fails").to_string(), "no room");
        assert!(!places.snapshot.join("snapshot.new").exists());
        drop(store);
        assert_eq!(left(open(&places, 1).1).1, ["slow"]);
    }
}
