//! Models of the arena: what a killed process leaves, and places that are used again.

use std::sync::Mutex;

use loom::sync::Arc;
use loom::thread;
use statsidecar::config;
use statsidecar::mapping::Rules;
use statsidecar::metric::Sharing;
use statsidecar::pipeline::{Edition, Pipeline, Worker};
use statsidecar::state::{Arena, Identity, OwnPieces, Slot};
use statsidecar::telemetry::Listener;

use super::{check, counted, large};

/// A worker and the sweeper take their locks in every order, and then the process ends. The next one finds the series that
/// has not expired, with its samples.
#[test]
fn the_next_process_finds_what_has_not_expired() {
    let seen: &'static Mutex<Vec<(usize, usize)>> = Box::leak(Box::default());
    let (config, _) = config::load("[defaults]\nttl = \"1s\"\n");
    let rules = Rules::compile(&config).0;
    check(2, move || {
        let (config, rules) = (config.clone(), rules.clone());
        let model = move || {
            let pieces = OwnPieces::default();
            let arena = std::sync::Arc::new(Arena::in_own_memory(pieces.clone()).0);
            let edition = Edition::new(&config, rules).with_arena(std::sync::Arc::clone(&arena));
            let pipeline = std::sync::Arc::new(Pipeline::of(edition));
            let mut worker = Worker::new(std::sync::Arc::clone(&pipeline), Sharing::Shared);
            let worker = large(move || {
                let listener = Listener::new("udp://model".to_owned());
                worker.begin(&listener, None).batch().packet(b"a:1|c");
                worker.begin(&listener, None).batch().packet(b"a:1|c");
            });
            thread::yield_now();
            pipeline.set_time(2);
            let expired = pipeline.sweep();
            worker.join().expect("the worker does not panic");
            arena.leave();
            let (_, found) = Arena::in_own_memory(pieces);
            let counts = found.iter().map(|(slot, _)| slot.values()[0].load(loom::sync::atomic::Ordering::Relaxed));
            let counts: Vec<u64> = counts.collect();
            let gone: u64 = expired.iter().map(counted).sum();
            assert!(found.len() <= 1 && counts.iter().sum::<u64>() + gone == 2, "{counts:?} {gone}");
            seen.lock().expect("no model panicked").push((expired.len(), found.len()));
        };
        large(model).join().expect("the model does not panic");
    });
    let mut seen = std::mem::take(&mut *seen.lock().expect("no model panicked"));
    seen.sort_unstable();
    seen.dedup();
    // The series has expired behind the last sample, it stayed, or it expired in between and came back.
    assert_eq!(seen, [(0, 1), (1, 0), (1, 1)]);
}

fn identity() -> Identity {
    Identity { parts: ["a".to_owned(), String::new(), String::new()], created: 7, ..Identity::default() }
}

fn store(slot: &Slot, value: u64) {
    slot.values().iter().for_each(|number| number.store(value, loom::sync::atomic::Ordering::Relaxed));
}

fn load(slot: &Slot) -> u64 {
    slot.values()[0].load(loom::sync::atomic::Ordering::Relaxed)
}

/// The process is killed while a thread makes a series: the next one finds all of what identifies it, or nothing.
#[test]
fn a_slot_is_whole_or_free() {
    let seen: &'static Mutex<Vec<Option<u64>>> = Box::leak(Box::default());
    check(2, move || {
        let pieces = OwnPieces::default();
        let arena = Arena::in_own_memory(pieces.clone()).0;
        // It had another series in the same place.
        drop(arena.allocate(&Identity { parts: identity().parts.map(|_| "b".to_owned()), ..identity() }, 1));
        let maker = thread::spawn(move || {
            let slot = arena.allocate(&identity(), 1).expect("room");
            store(&slot, 9);
            slot.touch(8);
            arena.leave();
        });
        let (next, found) = Arena::in_own_memory(pieces);
        next.leave();
        for (slot, found) in &found {
            assert_eq!(*found, identity());
            assert!([7, 8].contains(&slot.seen()), "{}", slot.seen());
        }
        assert!(found.len() <= 1);
        seen.lock().expect("no model panicked").push(found.first().map(|(slot, _)| load(slot)));
        maker.join().expect("it does not panic");
    });
    let mut seen = std::mem::take(&mut *seen.lock().expect("no model panicked"));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [None, Some(0), Some(9)]);
}

/// Threads make and drop series at once, so that places and whole pieces are taken back and used again.
#[test]
fn a_place_has_one_series_at_a_time() {
    check(2, || {
        let pieces = OwnPieces::default();
        let arena = Arc::new(Arena::in_own_memory(pieces.clone()).0);
        let other = {
            let arena = Arc::clone(&arena);
            thread::spawn(move || come_and_go(&arena, 1))
        };
        come_and_go(&arena, 2);
        other.join().expect("it does not panic");
        assert_eq!(arena.size().series, 0);
        assert_eq!(Arena::in_own_memory(pieces).1.len(), 0);
    });
}

fn come_and_go(arena: &Arena, own: u64) {
    for _ in 0..2 {
        let slot = arena.allocate(&identity(), 1).expect("room");
        assert_eq!(load(&slot), 0, "a new series begins at 0");
        store(&slot, own);
        assert_eq!(load(&slot), own, "another series has the same place");
    }
}
