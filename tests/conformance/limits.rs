//! What becomes of what is over a limit, and who can be seen to send it.

use std::thread;
use std::time::Instant;

use crate::page::Page;
use crate::row::check;
use crate::support::{Daemon, PATIENCE, Scratch, get};
use crate::{client, clients, started};

#[test]
fn overflow() {
    check(
        "overflow",
        r##"
== a new series over the limit of its name goes to the one for all such
~ limits.family_series = 2
~ limits.overflow = "collapse"
> a:1|c|#k:1\na:1|c|#k:2\na:1|c|#k:3\na:2|c|#k:4\na:4|c\na:1|c|#k:1\na:8|c|#k:3\nb:1|c
a_total{k="1"} 2
a_total{k="2"} 1
a_total{overflow="true"} 15
b_total 1
= lines=8 c=8

== each name has its own
~ limits.family_series = 1
~ limits.overflow = "collapse"
~ defaults.buckets = [1]
> a:1|c\nb:1|c\nc:1|g\nd:1|h\na,k=v:2|c\nb,k=v:3|c|@0.5\nc,k=v:4|g\nc,k=w:+1|g\nd,k=v:2|h|@0.5\nd,k=w:0.5|h
a_total 1
a_total{overflow="true"} 2
b_total 1
b_total{overflow="true"} 6
c 1
c{overflow="true"} 5
d_bucket{le="1"} 1
d_bucket{le="+Inf"} 1
d_sum 1
d_count 1
d_bucket{overflow="true",le="1"} 1
d_bucket{overflow="true",le="+Inf"} 3
d_sum{overflow="true"} 4.5
d_count{overflow="true"} 3
= lines=10 c=4 g=3 h=3

== over the limit on all series it is made too, but for a new name
~ limits.series = 2
~ limits.overflow = "collapse"
> a:1|c\nb:1|c\na:2|c|#k:1\nb:3|c|#k:2\nb:4|c|#k:3\nc:1|c\nc:1|c|#k:1\na:1|c
a_total 2
a_total{overflow="true"} 2
b_total 1
b_total{overflow="true"} 7
= lines=8 c=6 series_limit=2

== the limits do not count it
~ limits.series = 3
~ limits.family_series = 1
~ limits.overflow = "collapse"
> a:1|c\na:1|c|#k:1\nb:1|c\nb:1|c|#k:1\nc:1|c\nc:1|c|#k:1\nd:1|c
a_total 1
a_total{overflow="true"} 1
b_total 1
b_total{overflow="true"} 1
c_total 1
c_total{overflow="true"} 1
= lines=7 c=6 series_limit=1

== it has the constant labels, and none of the rule's
~ limits.family_series = 1
~ limits.overflow = "collapse"
~ labels = { team = "data" }
~ [[metric]]
~ match = "jobs.*"
~ name = "jobs_total"
~ labels = { queue = "$1" }
> jobs.a:1|c\njobs.b:2|c\njobs.c:4|c|#k:v
jobs_total{overflow="true",team="data"} 6
jobs_total{queue="a",team="data"} 1
= lines=3 c=3 mapped=3

== a label of its name gives way
~ limits.family_series = 1
~ limits.overflow = "collapse"
~ labels = { overflow = "mine" }
> a:1|c\na:2|c|#k:v
a_total{overflow="mine"} 1
a_total{overflow="true"} 2
= lines=2 c=2

== a client that sends that very label feeds it
~ limits.family_series = 2
~ limits.overflow = "collapse"
> a:1|c\na:2|c|#overflow:true\na:4|c|#k:v\na:8|c|#overflow:true
a_total 1
a_total{overflow="true"} 14
= lines=4 c=4

== what is wrong with a sample is wrong there too
~ limits.family_series = 1
~ limits.overflow = "collapse"
> a:1|c\na_total:1|g|#k:v\na:-1|c|#k:v\na:x|c|#k:v\na:1|c|#k:v|@0\na:1:x:2|c|#k:v\na:-1|c|#k:v
a_total 1
a_total{overflow="true"} 3
= lines=7 c=3 type_conflict=1 negative_counter=2 bad_value=2 bad_sample_rate=1 values=9

== errors of tags are counted for it
~ limits.family_series = 1
~ limits.overflow = "collapse"
> a:1|c\na:1|c|#k:v,k:w\na:1|c|#k:v,k:w
a_total 1
a_total{overflow="true"} 2
= lines=3 c=3 tag:duplicate_key=2

== gauges keep their order there, with several workers too
~ limits.family_series = 1
~ limits.overflow = "collapse"
~ intake.workers = 2
> a:1|g\na:1|g|#k:1
> a:+1|g|#k:2\na:7|g|#k:1
> a:+1|g|#k:3
> a:2|g|#k:4
> a:+4:-1|g|#k:5
a 1
a{overflow="true"} 5
= lines=7 g=8 values=8

== where it is not wanted they are rejected
~ limits.family_series = 1
~ limits.overflow = "reject"
> a:1|c\na:1|c|#k:v\na:1|c|#overflow:true\na:1|c
a_total 2
= lines=4 c=2 family_series_limit=2
"##,
    );
}

#[test]
fn who_hits_a_limit_is_on_the_status_page() {
    let scratch = Scratch::new("culprits");
    for (overflow, of_a) in [("reject", 3.0), ("collapse", 0.0)] {
        let limits = format!("[limits]\nseries = 3\nfamily_series = 1\ntags = 1\noverflow = {overflow:?}\n");
        let config = scratch.write(&format!("{overflow}.toml"), &format!("{limits}[intake]\nmax_line = 40\n"));
        let daemon = started(&["--config", &config]);
        assert!(get(daemon.http, "/").contains("<h2>Names over a limit</h2>\n<p>None.</p>\n"));
        let client = client(daemon.udp[0]);
        client.send(b"a:1|c\nb:1|c\na:1|c|#k:1\na:1|c|#k:2\na:1|c|#k:2\ne:1|c\nc.c:1|g\nc.c:2:3|g").expect("a packet");
        client.send(format!("d<&>:1|c|#k,l\nlong.{}:1|c", "x".repeat(60)).as_bytes()).expect("a packet");
        client
            .send(b"e,k=1,l=1:1|c\ne,k=2,l=1:1|c\ne[k=3,l=1]:1|c\ne,k=4,of=a.line.that.is.much.too.long:1|c")
            .expect("a packet");
        let rows = [
            "<tr><td>a_total</td><td>family_series_limit</td><td class=n>3</td></tr>\n".to_owned(),
            "<tr><td>c_c</td><td>series_limit</td><td class=n>3</td></tr>\n".to_owned(),
            "<tr><td>e</td><td>tag_limit</td><td class=n>3</td></tr>\n".to_owned(),
            "<tr><td>d&lt;&amp;&gt;</td><td>tag_limit</td><td class=n>1</td></tr>\n".to_owned(),
            "<tr><td>e</td><td>line_too_long</td><td class=n>1</td></tr>\n".to_owned(),
            format!("<tr><td>long.{}</td><td>line_too_long</td><td class=n>1</td></tr>\n", "x".repeat(60)),
        ];
        has_status(&daemon, &rows.concat());
        let page = daemon.scrape();
        let page = Page::read(&page).expect("the page is valid");
        assert_eq!(page.sum("statsidecar_rejected_samples_total"), of_a + 3.0 + 4.0 + 2.0, "{overflow}");
    }
}

/// Waits until the status page has this text: a worker tells of the names after it has told of the packets.
fn has_status(daemon: &Daemon, expected: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = get(daemon.http, "/");
        if status.contains(expected) {
            return;
        }
        assert!(Instant::now() < deadline, "{expected}\nis not in\n{status}");
        thread::yield_now();
    }
}

/// A bomb of names is one of series and routes too; of none is there more than the limit says.
#[test]
fn a_bomb_of_names_costs_no_memory_and_nobody_else() {
    const BOMB: usize = 200_000;
    for overflow in ["reject", "collapse"] {
        let (daemon, before) = at_the_limit(overflow);
        bombard(&daemon, BOMB, |n| format!("bomb{n}.of.a.name.that.is.not.short:1|c\n"));
        let page = daemon.scrape_with(&[
            &format!("statsidecar_rejected_samples_total{{reason=\"series_limit\"}} {BOMB}"),
            "statsidecar_series{type=\"counter\"} 1000",
        ]);
        assert_survived(&page, before);
        has_status(&daemon, "<tr><td>bomb");
    }
}

#[test]
fn a_bomb_of_tags_costs_no_memory_and_nobody_else() {
    const BOMB: usize = 50_000;
    for overflow in ["reject", "collapse"] {
        let (daemon, before) = at_the_limit(overflow);
        bombard(&daemon, BOMB, |n| format!("known0:1|c|#user:{n},of.a.name.that.is.not.short\n"));
        let page = match overflow {
            "reject" => daemon.scrape_with(&[
                &format!("statsidecar_rejected_samples_total{{reason=\"series_limit\"}} {BOMB}"),
                "statsidecar_series{type=\"counter\"} 1000",
            ]),
            _ => daemon.scrape_with(&[
                &format!("known0_total{{overflow=\"true\"}} {BOMB}"),
                &format!("statsidecar_samples_total{{type=\"c\"}} {}", BOMB + 3000),
                "statsidecar_series{type=\"counter\"} 1001",
            ]),
        };
        assert_survived(&page, before);
        has_status(&daemon, &format!("<tr><td>known0_total</td><td>series_limit</td><td class=n>{BOMB}</td></tr>\n"));
    }
}

/// How many bytes a bomb may cost: buffers, and a route table of the limit's size.
const COST: f64 = 6.0 * 1024.0 * 1024.0;

/// A program with as many series as it may have, each fed once, and its memory.
fn at_the_limit(overflow: &str) -> (Daemon, f64) {
    let scratch = Scratch::new(&format!("bomb-{overflow}-{:?}", std::thread::current().id()));
    let config = scratch.write("config.toml", &format!("[limits]\nseries = 1000\noverflow = {overflow:?}\n"));
    let daemon = started(&["--config", &config]);
    let client = client(daemon.udp[0]);
    client.send(known().as_bytes()).expect("a packet");
    let page = daemon.scrape_after(1);
    let before = Page::read(&page).expect("the page is valid").sum("process_resident_memory_bytes");
    (daemon, before)
}

fn known() -> String {
    (0..1000).map(|n| format!("known{n}:1|c\n")).collect()
}

/// Sends that many lines, with all known series fed in the middle and at the end, and waits until they have come in.
fn bombard(daemon: &Daemon, lines: usize, line: impl Fn(usize) -> String) {
    let client = client(daemon.udp[0]);
    let mut packets = 1;
    let mut send = |packet: &str| {
        client.send(packet.as_bytes()).expect("a packet");
        packets += 1;
        // What is sent faster than it is read would be dropped by the kernel.
        if packets % 16 == 0 {
            daemon.scrape_after(packets);
        }
    };
    for part in 0..lines / 1000 {
        send(&(0..1000).map(|n| line(part * 1000 + n)).collect::<String>());
        if part == lines / 2000 {
            send(&known());
        }
    }
    send(&known());
    daemon.scrape_after(packets);
}

fn assert_survived(page: &str, before: f64) {
    let lines = clients(page);
    for n in 0..1000 {
        assert!(lines.contains(&format!("known{n}_total 3")), "known{n}");
    }
    let page = Page::read(page).expect("the page is valid");
    let after = page.sum("process_resident_memory_bytes");
    assert!(after < before + COST, "{before} bytes became {after}");
    assert_eq!(page.sum("statsidecar_kernel_dropped_packets_total"), 0.0);
}
