//! An arena that the service manager keeps: no file has a name.

use std::io::{IoSliceMut, Read, Seek};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::home::Home;
use crate::support::{Client, Manager, PATIENCE};
use crate::{stop, value};

/// The next message to the manager, and the descriptor in it.
fn receive(socket: &UnixDatagram) -> (String, Option<OwnedFd>) {
    let (mut bytes, mut space) = ([0; 4096], [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))]);
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC);
    let text = String::from_utf8_lossy(&bytes[..received.expect("a message").bytes]).into_owned();
    let fds = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds.collect::<Vec<_>>()),
        _ => None,
    });
    let mut fds: Vec<_> = fds.flatten().collect();
    assert!(fds.len() < 2, "{text}");
    (text, fds.pop())
}

#[test]
fn the_manager_keeps_the_arena_and_passes_it_to_the_next_process() {
    let home = Home::new("kept");
    let notify = home.disk().file("notify");
    let socket = UnixDatagram::bind(&notify).expect("a file");
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let mut manager = Manager::new(home.disk(), &["unixgram"]);
    manager.args.push(home.config(""));
    manager.environment = vec![("NOTIFY_SOCKET", notify), ("FDSTORE", "1".to_owned())];
    let mut sent = 0.0;
    for life in 0..6 {
        let daemon = manager.start();
        if life == 0 {
            let (message, file) = receive(&socket);
            assert_eq!(message, "FDSTORE=1\nFDNAME=statsidecar-arena\n");
            manager.kept = Some(("statsidecar-arena", file.expect("a file")));
        }
        assert_eq!(receive(&socket).0, "READY=1\n", "it hands nothing else over");
        assert_eq!(value(&daemon.scrape(), "a_total").unwrap_or_default(), sent, "life {life}");
        Client::connect(&manager.listeners()[0]).send(b"a:1|c\na:1|c");
        sent += 2.0;
        daemon.scrape_with(&[&format!("a_total {sent}")]);
        if life % 2 == 0 {
            daemon.kill();
        } else {
            stop(daemon);
            assert_eq!(receive(&socket).0, "STOPPING=1\n");
        }
        assert!(!home.arenas().exists(), "no folder is made");
    }
    // What it has is an arena.
    let (_, kept) = manager.kept.as_ref().expect("it was handed over");
    let mut file = std::fs::File::from(kept.try_clone().expect("a descriptor"));
    let mut magic = [0; 8];
    file.rewind().and_then(|()| file.read_exact(&mut magic)).expect("it has a header");
    assert_eq!(&magic, b"statside");
    // One that is damaged is made anew, and the snapshot has the values of the last stop.
    file.set_len(100).expect("a shorter file");
    rustix::io::pwrite(&file, b"nothing!", 0).expect("a write");
    let daemon = manager.start();
    assert_eq!(value(&daemon.scrape(), "a_total"), Some(sent));
    let stderr = daemon.kill().stderr;
    let message = "the arena that the service manager keeps: it is damaged; its values are lost";
    assert_eq!(stderr.matches(message).count(), 1, "{stderr}");
    let daemon = manager.start();
    assert_eq!(value(&daemon.scrape(), "a_total"), Some(sent));
    assert!(!daemon.kill().stderr.contains("damaged"));
}
