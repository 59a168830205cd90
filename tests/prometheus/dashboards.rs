//! The dashboards of the examples: Grafana's own types accept them, and each query of each panel has data in a real
//! Prometheus.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::examples::{EXAMPLES, Example};
use crate::server::Prometheus;
use crate::support::{Process, Scratch, run_in, started};
use crate::tools;

/// A dashboard of a config with everything that adds a panel: each type of metric and of panel, listeners of all
/// transports, and a relay.
const EVERYTHING: &str = r#"
intake.listen = ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"]
relay = [{ target = "udp://127.0.0.1:9" }]
metric = [
    { match = "c", type = "counter", panel = { type = "stat", thresholds = [5] } },
    { match = "g", type = "gauge", panel = { type = "gauge", unit = "percent", thresholds = [1, 5] } },
    { match = "h", name = "h", type = "histogram", panel = { type = "heatmap" } },
    { match = "i", name = "i", type = "histogram" },
    { match = "s", type = "set", panel = { type = "none" } },
    { match = "q", name = "q", type = "summary", description = "\"quoted\" </script>" },
]
"#;

/// Every panel of the dashboards is what Grafana's published types say, and what is not is found.
#[test]
fn dashboards_are_what_grafana_publishes_as_its_types() {
    let scratch = Scratch::new("dashboard-types");
    let everything = scratch.write("everything.toml", EVERYTHING);
    let ended = run_in(scratch.path(), &["generate", "dashboard", "--config", &everything]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let everything: Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    let right: Vec<Value> = EXAMPLES.iter().map(dashboard).chain([everything.clone()]).collect();
    assert_eq!(type_errors(&scratch, "right", &right), "");

    // The check can fail: a key that does not exist, a word that is none, a number in place of text, a missing key.
    let panel = |panel_type: &str| {
        let panels = everything["panels"].as_array().expect("there are panels");
        let at = panels.iter().position(|panel| panel["type"] == panel_type).expect("there is one of each type");
        format!("/panels/{at}")
    };
    let wrong = [
        (panel("stat") + "/options/colorMode", serde_json::json!("rainbow")),
        (panel("stat") + "/options/reduceOptions", serde_json::json!({ "calc": ["last"] })),
        (panel("timeseries") + "/gridPos", serde_json::json!({ "x": 0, "y": 0, "w": 12 })),
        (panel("timeseries") + "/fieldConfig/defaults/custom", serde_json::json!({ "drawStyle": "dots" })),
        (panel("heatmap") + "/fieldConfig/defaults/unit", serde_json::json!(5)),
        ("/templating/list/0".to_owned(), serde_json::json!({ "type": "data source", "name": "a" })),
        ("/schemaVersion".to_owned(), serde_json::json!("39")),
    ];
    let dashboards = wrong.clone().map(|(place, wrong)| {
        let mut dashboard = everything.clone();
        *dashboard.pointer_mut(&place).unwrap_or_else(|| panic!("there is no {place}")) = wrong;
        dashboard
    });
    let errors = type_errors(&scratch, "wrong", &dashboards);
    for (number, (place, _)) in wrong.iter().enumerate() {
        assert!(errors.contains(&format!("wrong{number}.ts(")), "{place} is wrong, and nothing is found: {errors}");
    }
}

/// Every query of every panel is evaluated by a Prometheus that scrapes the running examples.
#[test]
fn every_query_of_every_panel_has_data() {
    tools::require();
    let folder = Scratch::new("dashboards");
    let sidecars = EXAMPLES.each_ref().map(|example| started(&["--config", &example.path("config.toml")]));
    let jobs = EXAMPLES.iter().zip(&sidecars).map(|(example, sidecar)| (example, sidecar.http));
    let prometheus = Prometheus::start(folder.path(), jobs);
    prometheus.wait_for("count(up == 1) == 2");
    let programs = EXAMPLES.iter().zip(&sidecars).map(|(example, sidecar)| {
        let mut command = tools::python();
        command.arg(example.path("pipeline.py")).args(["--statsd", &sidecar.udp[0].to_string(), "--duration", "8"]);
        Process::spawn(command.stdout(Stdio::piped()))
    });
    for program in programs.collect::<Vec<_>>() {
        program.finish(Duration::from_secs(60));
    }
    // A rate needs two scrapes after the last line.
    for (example, sidecar) in EXAMPLES.iter().zip(&sidecars) {
        let lines = sidecar.scrape().lines().filter(|line| line.starts_with("statsidecar_lines_total")).count();
        assert_eq!(lines, 1, "{}", example.folder);
        prometheus.wait_for(&format!("rate(statsidecar_lines_total{{job=\"{}\"}}[1m]) > 0", example.job));
    }

    let (mut evaluated, mut wrong) = (0, Vec::new());
    for example in &EXAMPLES {
        for (title, query) in queries(&dashboard(example)) {
            let query = with_variables(&query, example.job);
            let answer: Value = serde_json::from_str(&prometheus.query(&query)).expect("Prometheus answers in JSON");
            let results = answer["data"]["result"].as_array().map_or(&[][..], Vec::as_slice);
            let is_of_job =
                results.iter().all(|result| result["metric"]["job"].as_str().is_none_or(|job| job == example.job));
            let has_number = results.iter().any(|result| result["value"][1].as_str() != Some("NaN"));
            if answer["status"] != "success" || !is_of_job || !has_number {
                wrong.push(format!("{}, {title}: {query}\n{answer}", example.folder));
            }
            evaluated += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {evaluated} queries:\n{}", wrong.len(), wrong.join("\n"));
    assert!(evaluated > 80, "only {evaluated} queries were found");
}

/// The second pipeline asks for ten panels, and its dashboard has them.
#[test]
fn the_market_data_dashboard_has_its_ten_panels() {
    let [_, example] = &EXAMPLES;
    let dashboard = dashboard(example);
    let panels = dashboard["panels"].as_array().expect("there are panels");
    let own = panels.iter().take_while(|panel| panel["title"] != "statsidecar").filter(|panel| panel["type"] != "row");
    let own: Vec<(&str, &str)> =
        own.map(|panel| (panel["type"].as_str().expect("a type"), panel["title"].as_str().expect("a title"))).collect();
    assert_eq!(
        own,
        [
            ("gauge", "Failed operations"),
            ("stat", "Parquet writes"),
            ("stat", "ClickHouse loads"),
            ("stat", "Flows, by outcome"),
            ("timeseries", "Parquet writes a second, by table"),
            ("timeseries", "Parquet writes that fail, a second, by table"),
            ("timeseries", "ClickHouse loads a second, by table"),
            ("timeseries", "ClickHouse loads that fail, a second, by table"),
            ("timeseries", "Flow duration"),
            ("heatmap", "Flow duration, distribution"),
        ]
    );
    let flows = panels.iter().find(|panel| panel["title"] == "Flow duration").expect("it is there");
    let quantiles: Vec<_> =
        flows["targets"].as_array().expect("targets").iter().map(|target| &target["expr"]).collect();
    for (query, quantile) in quantiles.iter().zip(["0.5", "0.95", "0.99"]) {
        assert!(query.as_str().is_some_and(|query| query.starts_with(&format!("histogram_quantile({quantile}, "))));
    }
}

fn dashboard(example: &Example) -> Value {
    let text = fs::read_to_string(example.path("dashboard.json")).expect("each example has a dashboard");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Each query with the title of its panel.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().expect("there are panels");
    let of_panel = |panel: &Value| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        let title = panel["title"].as_str().expect("a title").to_owned();
        targets.into_iter().map(move |target| (title.clone(), target["expr"].as_str().expect("a query").to_owned()))
    };
    panels.iter().flat_map(of_panel).collect()
}

/// The query as Grafana sends it, with this job, all instances and a range of a minute.
fn with_variables(query: &str, job: &str) -> String {
    let query = query.replace("$__rate_interval", "1m").replace("$job", job).replace("$instance", ".*");
    assert!(!query.contains('$'), "{query}");
    query
}

/// What the compiler of TypeScript says about the dashboards, each in a file of this name and its number.
fn type_errors(scratch: &Scratch, name: &str, dashboards: &[Value]) -> String {
    let modules = std::env::var_os("NODE_PATH").map(PathBuf::from).expect("tests/all sets NODE_PATH");
    let link = scratch.path().join("node_modules");
    if !link.exists() {
        symlink(&modules, link).expect("a symbolic link");
    }
    let mut compiler = Command::new(modules.join(".bin/tsc"));
    compiler.args(["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext"]);
    compiler.args(["--moduleResolution", "bundler"]).current_dir(scratch.path());
    for (number, dashboard) in dashboards.iter().enumerate() {
        compiler.arg(scratch.write(&format!("{name}{number}.ts"), &typed(dashboard)));
    }
    let output = compiler.output().expect("NODE_PATH has typescript: npm ci with the package.json of tests/clients");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.success(), said.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The dashboard as constants of Grafana's types.
fn typed(dashboard: &Value) -> String {
    let mut whole = dashboard.clone();
    let panels = whole.as_object_mut().and_then(|whole| whole.remove("panels")).expect("there are panels");
    let mut source = include_str!("dashboard.ts").to_owned();
    source += &format!("export const whole: WholeDashboard = {whole:#};\n");
    for (number, panel) in panels.as_array().expect("a list").iter().enumerate() {
        let panel_type = panel["type"].as_str().expect("a type");
        source += &format!("export const panel{number}: {panel_type} = {panel:#};\n");
    }
    source
}
