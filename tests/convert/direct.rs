//! `--statsd-exporter-mapping`: a mapping file instead of a config file.

use crate::support::{Scratch, client, run_in, started};

/// The flag has the effect of `convert` and `--config`.
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

/// A series expires after the `ttl` of its mapping, or of the defaults; 0 is never, as the documentation of
/// statsd_exporter says (exporter 126; there, 0 does not override the default).
#[test]
fn series_expire_after_the_ttl_of_their_mapping() {
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
