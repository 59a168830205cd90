//! A sidecar that is restarted tells the same as one that is not.

use proptest::prelude::*;
use proptest::sample::select;

use crate::home::Home;
use crate::stop;
use crate::support::{Client, Daemon, Exposition, Manager, started};

const RULES: &str = "\
[limits]\noverflow = 'collapse'\nfamily_series = 4\n\
[[metric]]\nmatch = 'h.*'\nname = 'h_seconds'\ntype = 'histogram'\nbuckets = [-1, 0.25, 1, 100]\nlabels = { what = '$1' }\n\
[[metric]]\nmatch = 's'\nname = 's'\ntype = 'summary'\nquantiles = [0.1, 0.5, 0.99]\n\
[[metric]]\nmatch = 'followed'\nname = 'followed_total'\ntype = 'counter'\n\
[[metric]]\nmatch = 'i'\nname = 'i_total'\ntype = 'counter'\ninit = [{}]\n";

/// A line of a series whose values survive a kill.
fn kept_line() -> impl Strategy<Value = String> {
    let name = select(vec!["a", "b.c", "i", "h.x", "h.y", "followed", "a.long.name-with~all sorts"]);
    let value = prop_oneof![
        4 => (0..2000_u32).prop_map(|n| n.to_string()),
        2 => (-50.0..50.0_f64).prop_map(|x| format!("{x:.3}")),
        1 => select(vec!["+3", "-2.5", "1e3", "18446744073709551615", "0.1", "1e-300", "nan", ""]).prop_map(str::to_owned),
    ];
    let kind = select(vec!["c", "c", "g", "ms", "h"]);
    let rate = select(vec!["", "", "", "|@0.3", "|@0.01", "|@2"]);
    let tags = select(vec!["", "", "|#k:1", "|#k:2", "|#k:3", "|#k:4", "|#k:5", "|#k:1,other:\u{e4}\"\\", "|#,,k"]);
    (name, value, kind, rate, tags)
        .prop_map(|(name, value, kind, rate, tags)| format!("{name}:{value}|{kind}{rate}{tags}"))
}

/// A line of any series.
fn line() -> impl Strategy<Value = String> {
    let set = (0..300_u32).prop_map(|n| format!("users:{n}|s|#k:{}", n % 3));
    let summary = (-5.0..5.0_f64).prop_map(|x| format!("s:{x:.2}|d"));
    prop_oneof![4 => kept_line(), 1 => set, 1 => summary]
}

/// What comes between two restarts, some lines in each packet.
fn lives(line: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<Vec<Vec<String>>>> {
    let packet = prop::collection::vec(line, 1..20);
    prop::collection::vec(prop::collection::vec(packet, 1..10), 1..5)
}

/// What the page says of the clients' series.
fn series(daemon: &Daemon) -> Vec<String> {
    Exposition::read(&daemon.scrape()).expect("the page is valid").clients(|_| true)
}

/// Sends the same to two sidecars, one of which is ended by `end` after each life, and compares them.
fn compare(lives: &[Vec<Vec<String>>], end: impl Fn(Daemon)) {
    let home = Home::new("equality");
    let mut manager = Manager::new(home.disk(), &["unixgram"]);
    manager.args.push(home.config(RULES));
    let steady = started(&["--config", &home.disk().write("steady.toml", RULES)]);
    let mut clients =
        [steady.listeners[0].clone(), manager.listeners()[0].clone()].map(|address| Client::connect(&address));
    let (mut daemon, mut sent) = (manager.start(), 0);
    for packets in lives {
        for packet in packets {
            clients.iter_mut().for_each(|client| _ = client.send(packet.join("\n").as_bytes()));
        }
        sent += packets.len() as u64;
        steady.scrape_after(sent);
        daemon.scrape_after(packets.len() as u64);
        let expected = series(&steady);
        assert_eq!(series(&daemon), expected, "before the restart");
        end(daemon);
        daemon = manager.start();
        assert_eq!(series(&daemon), expected, "after the restart");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn prop_a_stop_changes_nothing(lives in lives(line())) {
        compare(&lives, |daemon| _ = stop(daemon));
    }

    /// After a quiet moment no worker has a batch in hand.
    #[test]
    fn prop_a_kill_changes_nothing_in_the_arena(lives in lives(kept_line())) {
        compare(&lives, |daemon| _ = daemon.kill());
    }
}
