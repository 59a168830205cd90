//! The files of the examples that `generate` makes are those that it makes today.
//!
//! `GUIDES_WRITE=1 cargo test --test guides generated` writes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Ended, run_in};

/// Each example with the title of its files and the job of its scrapes.
const EXAMPLES: [(&str, &str, &str); 2] = [
    ("file_ingestion", "File ingestion", "financial-lineage-ingestion"),
    ("market_data_etl", "Market-data ETL", "nse-pipeline"),
];

#[test]
fn generated_files_of_the_examples_are_up_to_date() {
    for (example, title, job) in EXAMPLES {
        for (file, args) in [
            ("dashboard.json", vec!["dashboard", "--title", title]),
            ("alerts.yml", vec!["alerts"]),
            ("METRICS.md", vec!["docs", "--title", title]),
            ("prometheus.yml", vec!["prometheus", "--job", job]),
        ] {
            let args = [&["generate"][..], &args, &["--config", "config.toml"]].concat();
            let Ended { code, stdout, stderr } = run_in(&folder(example), &args);
            assert_eq!((code, stderr.as_str()), (Some(0), ""), "{example}: {args:?}");
            let path = folder(example).join(file);
            if std::env::var_os("GUIDES_WRITE").is_some() {
                fs::write(&path, &stdout).unwrap();
            }
            let kept = fs::read_to_string(&path).unwrap_or_default();
            let remedy = "GUIDES_WRITE=1 cargo test --test guides generated";
            assert!(kept == stdout, "{} is not what the config gives today; run: {remedy}", path.display());
        }
    }
}

/// The README of each example shows the commands that made its files.
#[test]
fn generated_files_are_made_as_the_examples_say() {
    for (example, title, job) in EXAMPLES {
        let readme = fs::read_to_string(folder(example).join("README.md")).unwrap();
        for command in [
            format!("statsidecar generate dashboard --config config.toml --title \"{title}\" > dashboard.json"),
            "statsidecar generate alerts --config config.toml > alerts.yml".to_owned(),
            format!("statsidecar generate docs --config config.toml --title \"{title}\" > METRICS.md"),
            format!("statsidecar generate prometheus --config config.toml --job {job} > prometheus.yml"),
        ] {
            assert!(readme.contains(&command), "{example}/README.md has not: {command}");
        }
    }
}

/// The generated rules, and their unit tests, in the eyes of Prometheus, where its tools are installed.
#[test]
fn generated_rules_pass_their_unit_tests() {
    let is_installed = Command::new("promtool").arg("--version").output().is_ok();
    for (example, ..) in EXAMPLES {
        let (rules, tests) = (folder(example).join("alerts.yml"), folder(example).join("alerts_test.yml"));
        let [rules, tests] = [rules, tests].map(|file| fs::read_to_string(file).unwrap());
        for rule in rules.lines().filter_map(|line| line.split_once("- alert: ")) {
            let name = rule.1.trim_matches('"');
            let is_own = name.starts_with("Statsidecar");
            assert!(is_own || tests.contains(&format!("alertname: {name}\n")), "{example}: no test of {name}");
        }
        for args in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
            if is_installed {
                let output = Command::new("promtool").args(args).current_dir(folder(example)).output().unwrap();
                let [out, errors] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
                assert!(output.status.success(), "{example}: promtool {args:?}: {out}{errors}");
            }
        }
    }
}

fn folder(example: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example)
}
