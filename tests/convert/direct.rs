//! A mapping file that is used without being written as TOML first.

use crate::support::{Scratch, client, run_in, started};

/// The flag does what the two commands do.
#[test]
fn a_mapping_file_can_be_used_directly() {
    let scratch = Scratch::new("convert-direct");
    let file = scratch.write("m.yml", "mappings:\n- {match: jobs.*, name: jobs, labels: {job: $1}}\n");
    for command in [&["run"][..], &[]] {
        let daemon = started(&[command, &["--statsd-exporter-mapping", &file]].concat());
        client(daemon.udp[0]).send(b"jobs.a:1|c\nother:1|c").expect("a packet");
        daemon.scrape_with(&["jobs{job=\"a\"} 1", "other 1"]);
    }
}

#[test]
fn a_mapping_file_takes_the_place_of_a_config_file() {
    let scratch = Scratch::new("convert-both");
    let (mapping, config) = (scratch.write("m.yml", ""), scratch.write("c.toml", ""));
    let ended = run_in(scratch.path(), &["--statsd-exporter-mapping", &mapping, "--config", &config]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("cannot be used with '--config <FILE>'"), "{}", ended.stderr);
}

/// A series leaves after the time that its mapping gives, or the defaults; 0 is for ever, as it says of itself (exporter
/// 126; there, 0 does not win over the default).
#[test]
fn what_nobody_sends_leaves() {
    let scratch = Scratch::new("convert-ttl");
    let mapping =
        "defaults: {ttl: 1s}\nmappings:\n- {match: stays, name: stays, ttl: 0}\n- {match: goes, name: goes, ttl: 1s}\n";
    let daemon = started(&["--statsd-exporter-mapping", &scratch.write("m.yml", mapping)]);
    client(daemon.udp[0]).send(b"stays:1|c\ngoes:1|c\nunmapped:1|c").expect("a packet");
    let page = daemon.scrape_with(&["statsidecar_series_expired_total 2", "stays 1"]);
    assert_eq!(
        page.lines().filter(|line| line.starts_with("goes") || line.starts_with("unmapped")).count(),
        0,
        "{page}"
    );
}
