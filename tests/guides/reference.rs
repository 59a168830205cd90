//! The reference chapters have everything that there is: keys, metrics, reasons.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::markdown::page;
use crate::support::{Daemon, Scratch, client, run_in};

/// Every key of config.toml has a row in the table of its section, and the row has the same default.
#[test]
fn the_configuration_chapter_has_every_key() {
    let chapter = page("docs/src/configuration.md").text;
    let file = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml")).unwrap();
    let (mut section, mut found) = (String::new(), 0);
    for line in file.lines() {
        // An example behind a bare `#` counts as a key, prose behind `# ` does not.
        let (line, is_example) = line.strip_prefix('#').map_or((line, false), |rest| (rest, true));
        if line.starts_with('[') {
            section = line.to_owned();
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with(' ')) {
            if section == "[labels]" {
                continue; // its keys are the names of labels
            }
            if section.is_empty() {
                let text = chapter.split("\n## ").next().unwrap();
                assert!(text.contains(&format!("The key `{key}`")), "the chapter does not start with {key}");
                found += 1;
                continue;
            }
            let heading = format!("\n## `{section}`\n");
            let (_, text) = chapter.split_once(&heading).unwrap_or_else(|| panic!("there is no heading {section}"));
            let text = text.split("\n## ").next().unwrap();
            let row = if is_example { format!("\n| `{key}` | ") } else { format!("\n| `{key}` | `{value}` |") };
            assert!(text.contains(&row), "under {section} there is no row {row:?}");
            found += 1;
        }
    }
    assert!(found >= 40, "only {found} keys were found");
}

/// The chapter on presets has a row for each preset, as `statsidecar presets` lists them.
#[test]
fn the_chapter_on_presets_has_every_preset() {
    let listed = run_in(Path::new(env!("CARGO_MANIFEST_DIR")), &["presets"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let listed: Vec<String> = listed
        .stdout
        .lines()
        .map(|line| line.split_once(' ').expect("a name and what it is for"))
        .map(|(name, about)| format!("| `{name}` | {} |", about.trim()))
        .collect();
    let chapter = page("docs/src/presets.md").text;
    let rows: Vec<&str> = chapter.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() >= 20 && rows == listed, "the chapter has\n{rows:#?}\nand the program\n{listed:#?}");
}

/// Every metric of the sidecar's own has a row in the chapter, and every row is a metric; the same of reasons.
#[test]
fn the_chapters_on_metrics_have_every_metric_and_reason() {
    let scratch = Scratch::new("guides-reference");
    let tables =
        "[[relay]]\ntarget = \"udp://127.0.0.1:9\"\nmatch = \"none\"\n[[otlp]]\nurl = \"http://127.0.0.1:9\"\n";
    let state = format!("[state]\npath = {:?}\narena = {:?}\n", scratch.file("disk"), scratch.file("memory"));
    let config = scratch.write("all.toml", &(state + tables));
    let listen = ["--listen", "udp://127.0.0.1:0", "--listen", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0"];
    let daemon = Daemon::start(&[&["--config", &config][..], &listen].concat());
    client(daemon.udp[0]).send(b"a:1|c|z:1").unwrap();
    let exposition = daemon.scrape_when("statsidecar_unknown_sections_total", 1);

    let types = exposition.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let own = types.filter(|(name, _)| name.starts_with("statsidecar_") || name.starts_with("process_"));
    let exposed: BTreeSet<String> = own.map(|(name, metric_type)| format!("| `{name}` | {metric_type} |")).collect();
    assert!(exposed.len() > 20, "{exposed:?}");
    let rows = |path: &str, cells: usize| -> BTreeSet<String> {
        let chapter = page(path).text;
        let rows = chapter.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| row.split_inclusive('|').take(cells + 1).collect()).collect()
    };
    let described = rows("docs/src/metrics.md", 2).into_iter().filter(|row| row.contains("_"));
    assert_eq!(described.collect::<BTreeSet<_>>(), exposed);

    for (counter, chapter) in [
        ("statsidecar_rejected_samples_total", "docs/src/rejects.md"),
        ("statsidecar_tag_errors_total", "docs/src/rejects.md"),
        ("statsidecar_closed_connections_total", "docs/src/metrics.md"),
        ("statsidecar_relay_lines_total", "docs/src/metrics.md"),
        ("statsidecar_push_samples_total", "docs/src/metrics.md"),
        ("statsidecar_push_requests_total", "docs/src/metrics.md"),
        ("statsidecar_state_saves_total", "docs/src/metrics.md"),
    ] {
        let text = page(chapter).text;
        let words = exposition.lines().filter(|line| line.starts_with(counter)).map(|line| {
            let label = line.split("reason=\"").nth(1).or_else(|| line.split("outcome=\"").nth(1)).unwrap();
            label.split('"').next().unwrap()
        });
        let words: Vec<&str> = words.collect();
        assert!(words.len() >= 2, "{counter}: {words:?}");
        if counter == "statsidecar_rejected_samples_total" {
            assert!(page("README.md").text.contains(&format!("one of {} reasons", words.len())));
        }
        for word in words {
            assert!(text.contains(&format!("`{word}`")), "{chapter} says nothing of {counter} {word}");
        }
    }
}

/// Each test that SECURITY.md names exists.
#[test]
fn the_tests_of_the_threat_model_exist() {
    let sources = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")));
    let page = page("SECURITY.md");
    let named = page.text.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.rsplit('|').nth(1));
    let named: Vec<&str> = named
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|name| name.matches('_').count() > 2)
        .collect();
    assert!(named.len() >= 30, "{named:?}");
    for name in named {
        assert!(sources.contains(&format!("fn {name}(")), "no test is called {name}");
    }
}

/// The text of all files of a folder.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let read = |path: &PathBuf| match path.is_dir() {
        true => sources(path),
        false => std::fs::read_to_string(path).unwrap_or_default(),
    };
    entries.collect::<Vec<_>>().iter().map(read).collect()
}
