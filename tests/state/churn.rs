//! Kills while series are made and expire in masses.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::home::Home;
use crate::plan::Plan;
use crate::support::{Client, Exposition, Manager, PATIENCE, Stopped};
use crate::value;

const RULES: &str = "\
[[metric]]\nmatch = 'brief.*.*'\nname = 'brief_$1_total'\nlabels = { n = '$2' }\nttl = '1s'\n\
[[metric]]\nmatch = 'lasting'\nname = 'lasting_total'\n";

/// How often each series was sent, by its text on the page.
type Sent = Mutex<HashMap<String, u64>>;

/// Sends lines for series that nobody needs for long: each second some thousands that no earlier second had.
fn send(listener: &str, sent: &Sent, over: &AtomicBool, mut rng: fastrand::Rng) {
    let mut to = Client::connect(listener);
    if let Client::Unixgram(unixgram) = &to {
        unixgram.set_write_timeout(Some(PATIENCE)).expect("a limit");
    }
    let mut first = 0;
    while !over.load(Ordering::Relaxed) {
        let mut packet = String::new();
        {
            let mut sent = sent.lock().expect("no client has failed");
            for _ in 0..20 {
                let (family, n) = (rng.u32(..50), first + rng.u32(..500));
                packet.push_str(&format!("brief.f{family}.{n}:1|c\n"));
                *sent.entry(format!("brief_f{family}_total{{n=\"{n}\"}}")).or_default() += 1;
            }
            *sent.entry("lasting_total".to_owned()).or_default() += 1;
        }
        packet.push_str("lasting:1|c");
        to.send(packet.as_bytes());
        first += 10;
        thread::sleep(Duration::from_millis(1));
    }
}

/// A page is valid, so it has no series twice, and each value was sent.
fn check(page: &str, sent: &Sent) {
    let exposition = Exposition::read(page).expect("the page is valid");
    let lines = exposition.clients(|_| false);
    let sent = sent.lock().expect("no client has failed");
    for line in &lines {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (value, sent): (u64, u64) =
            (value.parse().expect("a whole number"), sent.get(series).copied().unwrap_or_default());
        assert!(value <= sent, "{series} is {value}, and only {sent} was sent");
    }
}

#[test]
fn kills_while_series_come_and_go_leave_no_place_in_use_for_ever() {
    let mut plan = Plan::new("kills while series come and go", 0.1);
    let home = Home::new("churn");
    let mut manager = Manager::new(home.disk(), &["unixgram"]);
    manager.args.push(home.config(RULES));
    let (listener, sent, over) = (&manager.listeners()[0], Sent::default(), AtomicBool::new(false));
    let (mut lasting, mut most) = (0.0, 0.0_f64);
    // The last sidecar reads until no client sends.
    let daemon = thread::scope(|scope| {
        let _stopped = Stopped(&over);
        let rng = plan.fork();
        scope.spawn(|| send(listener, &sent, &over, rng));
        for kill in 0..plan.kills {
            let daemon = manager.start();
            // In some lives, series expire.
            thread::sleep(plan.within(Duration::from_millis(if kill % 8 == 7 { 2500 } else { 150 })));
            let page = daemon.scrape();
            check(&page, &sent);
            let now = value(&page, "lasting_total").unwrap_or_default();
            assert!(now >= lasting, "{now} after {lasting}");
            lasting = now;
            most = most.max(value(&page, "statsidecar_state_arena_series").expect("a metric"));
            daemon.kill();
        }
        manager.start()
    });
    let page = daemon.scrape_with(&["statsidecar_state_arena_series 1", "statsidecar_series{type=\"counter\"} 1"]);
    check(&page, &sent);
    println!("{} kills, up to {most} series in the arena, and 1 at the end", plan.kills);
    assert!(value(&page, "lasting_total") >= Some(lasting));
}
