//! The status page names the series that are over a limit.

use std::thread;
use std::time::Instant;

use crate::support::{Daemon, Exposition, PATIENCE, Scratch, get};
use crate::{client, started};

#[test]
fn names_over_a_limit_are_on_the_status_page() {
    let scratch = Scratch::new("names-over-a-limit");
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
        let exposition = daemon.scrape();
        let exposition = Exposition::read(&exposition).expect("the exposition is valid");
        assert_eq!(exposition.sum("statsidecar_rejected_samples_total"), of_a + 3.0 + 4.0 + 2.0, "{overflow}");
    }
}

/// Waits until the status page has this text, because a worker counts the names after the packets.
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
