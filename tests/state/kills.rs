//! Kills at random moments under load. After each of them the page is compared with what was sent.

use std::thread;
use std::time::Duration;

use crate::home::Home;
use crate::ledger::{Ledger, Values};
use crate::load::{LINES, Load, RULES};
use crate::plan::Plan;
use crate::support::{Daemon, Manager, Stopped};
use crate::{BATCH, stop};

/// The page when all that was sent is applied or lost. No client may send.
fn settled(daemon: &Daemon, ledger: &Ledger, earlier: &[f64]) -> Values {
    let mut values = ledger.check(&daemon.scrape(), earlier);
    loop {
        // A scrape waits for what has arrived, but not for ever.
        let again = ledger.check(&daemon.scrape(), &values);
        if again == values {
            return values;
        }
        values = again;
    }
}

/// One of so many restarts is by SIGTERM, which loses nothing.
const STOPS: u64 = 25;

#[test]
fn kills_under_load_lose_at_most_the_batches_in_hand() {
    let mut plan = Plan::new("kills under load", 0.7);
    let home = Home::new("kills");
    let mut manager = Manager::new(home.disk(), &["unixgram"]);
    let second = home.disk().file("second");
    let socket = std::os::unix::net::UnixDatagram::bind(&second).expect("a file");
    manager.hold(format!("--listen=unixgram://{second}"), socket);
    manager.args.push(home.config(RULES));
    let listeners = manager.listeners();
    let load = Load::new(listeners.len());
    let most = BATCH * LINES * listeners.len() as u64;
    let (mut lines, mut worst, mut lost, mut pages) = (0, 0, 0, 0);
    // The last sidecar reads until no client sends.
    let _last = thread::scope(|scope| {
        let _stopped = Stopped(&load.over);
        for (client, listener) in listeners.iter().enumerate() {
            let (load, rng) = (&load, plan.fork());
            scope.spawn(move || load.send(client, listener, rng));
        }
        let mut earlier = vec![0.0; load.ledger.sent().len()];
        let (mut restarts, mut kills, mut is_stopped) = (0, 0, false);
        let mut sent = earlier.clone();
        loop {
            let daemon = manager.start();
            let under_load = load.ledger.check(&daemon.scrape(), &earlier);
            let values = load.hold(|| {
                let values = settled(&daemon, &load.ledger, &under_load);
                let (all, now_lost) = load.ledger.lost(&values);
                assert!(now_lost >= lost, "{now_lost} lines are lost, and {lost} were before");
                if is_stopped {
                    load.ledger.check_exact(&values, &earlier, &sent);
                }
                assert!(now_lost - lost <= most, "{} lines are lost at once", now_lost - lost);
                worst = worst.max(now_lost - lost);
                (lines, lost) = (all, now_lost);
                sent = load.ledger.sent();
                values
            });
            (earlier, pages) = (values, pages + 3);
            if kills == plan.kills {
                break daemon;
            }
            thread::sleep(plan.within(Duration::from_millis(20)));
            restarts += 1;
            is_stopped = restarts % STOPS == 0;
            if is_stopped {
                stop(daemon);
            } else {
                daemon.kill();
                kills += 1;
            }
        }
    });
    println!("{} kills, {pages} pages, {lines} lines: {lost} lines are lost, at most {worst} by one kill", plan.kills);
}
