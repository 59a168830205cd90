//! `--statsd-exporter-mapping`: a mapping file instead of a config file.

use crate::support::{Daemon, Scratch, client, run_for_lines, run_in, started};

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

/// The settings and rules of the config file win; what it lacks is as in the mapping file.
#[test]
fn a_mapping_file_and_a_config_file_together() {
    let scratch = Scratch::new("convert-both");
    let mapping = "defaults: {observer_type: histogram, histogram_options: {buckets: [7]}}\n\
                   mappings:\n- {match: a, name: of_mapping}\n- {match: b, name: b}\n";
    let config =
        "[labels]\nenv = \"x\"\n[defaults]\ncontainer_label = false\n[[metric]]\nmatch = \"a\"\nname = \"of_config\"\n";
    let (mapping, config) = (scratch.write("m.yml", mapping), scratch.write("c.toml", config));
    let daemon = started(&["--statsd-exporter-mapping", &mapping, "--config", &config]);
    client(daemon.udp[0]).send(b"a:1|c|c:z\nb:1|c\nt:1|h").expect("a packet");
    daemon.scrape_with(&["of_config{env=\"x\"} 1", "b{env=\"x\"} 1", "t_bucket{env=\"x\",le=\"7\"} 1"]);
    scratch.write("m.yml", "mappings:\n- {match: a, name: of_config}\n- {match: b.c*, name: b}\n");
    scratch.write("c.toml", "[[metric]]\nmatch = \"a\"\nname = \"0\"\n");
    let ended = run_for_lines(scratch.path(), &["--statsd-exporter-mapping", "m.yml", "--config", "c.toml"]);
    let places: Vec<_> = ended.stderr.lines().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!((ended.code, places.as_slice()), (Some(2), &["c.toml:3:8", "m.yml:3:11"][..]), "{}", ended.stderr);
}

#[test]
fn the_mode_of_socket_files_can_be_given() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::short("mode");
    let path = scratch.file("s");
    let _daemon = Daemon::start(&["--listen", &format!("unixgram://{path}"), "--http", "127.0.0.1:0", "--mode", "622"]);
    assert_eq!(std::fs::metadata(&path).expect("a socket").permissions().mode() & 0o777, 0o622);
    for wrong in ["8", "0999", "1777", "rw"] {
        let ended = run_in(scratch.path(), &["--mode", wrong]);
        assert!(ended.code == Some(2) && ended.stderr.contains("write octal digits such as 0660"), "{}", ended.stderr);
    }
}

/// statsd_exporter loses the lines of such a mapping, or shows zeros; they must not fall to a later mapping.
#[test]
fn a_mapping_that_nobody_can_use_drops_its_lines() {
    let scratch = Scratch::new("convert-useless");
    for (mapping, warning) in [
        ("{match: a.*, name: $2}", "the name is always empty"),
        ("{match: a.*, name: n, scale: 0}", "the scale is 0"),
        ("{match: a.*, name: n, ttl: -5s}", "no series lives for the ttl -5s"),
        ("{match: 'a.x', match_type: regex, name: $1}", "the name is always empty"),
    ] {
        let file = format!("mappings:\n- {mapping}\n- {{match: '.*', match_type: regex, name: later}}\n");
        scratch.write("m.yml", &file);
        let ended = run_in(scratch.path(), &["convert", "m.yml"]);
        assert!(ended.code == Some(0) && ended.stderr.contains(warning), "{mapping}: {}", ended.stderr);
        let explained = run_in(scratch.path(), &["explain", "--statsd-exporter-mapping", "m.yml", "a.x:1|c", "b:1|c"]);
        assert!(explained.stdout.contains("dropped  the rule says drop"), "{mapping}: {}", explained.stdout);
        assert!(explained.stdout.contains("later (counter) adds 1"), "{mapping}: {}", explained.stdout);
    }
    scratch.write("m.yml", "mappings:\n- {match: '', match_type: regex, name: all, labels: {le: x}, hlep: h}\n");
    let ended = run_in(scratch.path(), &["convert", "m.yml"]);
    assert!(ended.stderr.contains("an empty regex matches every name"), "{}", ended.stderr);
    assert!(ended.stderr.contains("did you mean \"help\"?"), "{}", ended.stderr);
    let explained = run_in(scratch.path(), &["explain", "--statsd-exporter-mapping", "m.yml", "a.x:1|c"]);
    assert!(explained.stdout.contains("all{le=\"x\"} (counter) adds 1"), "{}", explained.stdout);
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
