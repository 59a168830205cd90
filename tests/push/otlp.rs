//! OTLP over HTTP.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;

use crate::protobuf::Message;
use crate::stub::{Request, Stub};
use crate::support::{Daemon, Scratch, run_in};
use crate::{send, sidecar};

/// The metrics of a request by name, and the attributes of the resource.
struct Export {
    metrics: BTreeMap<String, Message>,
    resource: BTreeMap<String, String>,
}

fn attributes(of: &Message, number: u64) -> BTreeMap<String, String> {
    of.messages(number).iter().map(|pair| (pair.text(1), pair.message(2).text(1))).collect()
}

fn read(request: &Request) -> Export {
    assert_eq!(request.header("content-type"), "application/x-protobuf");
    let mut body = Vec::new();
    match request.header("content-encoding") {
        "gzip" => _ = GzDecoder::new(&request.body[..]).read_to_end(&mut body).expect("gzip"),
        other => {
            assert_eq!(other, "");
            body.clone_from(&request.body);
        }
    }
    let resource = Message::new(&body).message(1);
    let mut metrics = BTreeMap::new();
    for metric in resource.message(2).messages(2) {
        assert!(metrics.insert(metric.text(1), metric.clone()).is_none(), "{} is there once", metric.text(1));
    }
    Export { metrics, resource: attributes(&resource.message(1), 1) }
}

fn with(stub: &Stub, name: &str) -> Export {
    stub.find(|request| Some(read(request)).filter(|export| export.metrics.contains_key(name)))
}

#[test]
fn points_have_values_attributes_and_start_times() {
    let stub = Stub::start(|_| (200, "", Vec::new()));
    let scratch = Scratch::new("otlp");
    let rules = "[[metric]]\nmatch = \"took\"\nname = \"took_seconds\"\nunit = \"seconds\"\nhelp = \"Time.\"\nbuckets = [0.25, 1]\n\
                 [[metric]]\nmatch = \"size\"\ntype = \"summary\"\nquantiles = [0.5]\nunit = \"bytes\"\n";
    let config = format!(
        "{rules}[[otlp]]\nurl = \"http://{}/v1/metrics?a=b\"\ninterval = \"1s\"\nresource = {{ \"service.name\" = \"shop\" }}\n\
         headers = {{ X-Scope-OrgID = \"team\" }}\n",
        stub.address
    );
    let daemon = sidecar(&scratch, &config);
    let first = stub.next();
    assert_eq!((first.line.as_str(), first.header("x-scope-orgid")), ("POST /v1/metrics?a=b HTTP/1.1", "team"));
    send(
        &daemon,
        "jobs:3|c|#queue:fast\nwaiting:-5.5|g\ntook:320|ms\ntook:20|ms|@0.5\nsize:4|h\nusers:a|s",
        &["users 1"],
    );
    let Export { metrics, resource } = with(&stub, "users");
    assert_eq!(resource["service.name"], "shop");
    assert!(!resource["service.instance.id"].is_empty());

    let sum = metrics["jobs_total"].message(7);
    assert_eq!((sum.number(2), sum.number(3)), (Some(2), Some(1)), "cumulative and monotonic");
    let point = sum.message(1);
    assert_eq!((point.double(4), attributes(&point, 7)["queue"].as_str()), (Some(3.0), "fast"));
    let (start, time) = (point.number(2).unwrap(), point.number(3).unwrap());
    assert!(start <= time && time - start < 60_000_000_000, "{start} {time}");

    let gauge = metrics["waiting"].message(5).message(1);
    assert_eq!((gauge.double(4), gauge.number(2)), (Some(-5.5), None));
    assert_eq!(metrics["users"].message(5).message(1).double(4), Some(1.0));

    let took = &metrics["took_seconds"];
    assert_eq!((took.text(2).as_str(), took.text(3).as_str(), took.message(9).number(2)), ("Time.", "s", Some(2)));
    let point = took.message(9).message(1);
    assert_eq!((point.number(4), point.double(5)), (Some(3), Some(0.36)));
    assert_eq!(point.packed_64(6), [2, 1, 0]);
    assert_eq!(point.packed_64(7), [0.25_f64, 1.0].map(f64::to_bits));

    let size = &metrics["size"];
    assert_eq!(size.text(3), "", "receivers would append the unit to the name");
    let point = size.message(11).message(1);
    assert_eq!((point.number(4), point.double(5)), (Some(1), Some(4.0)));
    let quantile = point.message(6);
    assert_eq!(quantile.double(1), Some(0.5));
    assert!((quantile.double(2).unwrap() - 4.0).abs() < 0.04, "{quantile:?}");
}

#[test]
fn native_histograms_are_exponential_ones() {
    let stub = Stub::start(|_| (200, "", Vec::new()));
    let scratch = Scratch::new("otlp-native");
    let config = format!(
        "[[metric]]\nmatch = \"took\"\ntype = \"histogram\"\nnative = {{ schema = 0 }}\n\
         [[otlp]]\nurl = \"http://{}/\"\ninterval = \"1s\"\n",
        stub.address
    );
    let daemon = sidecar(&scratch, &config);
    send(&daemon, "took:3|h\ntook:3.5|h\ntook:17|h\ntook:0|h\ntook:-2|h", &["took_count 5"]);
    let point = stub.find(|request| {
        let histogram = read(request).metrics.get("took")?.message(10);
        assert_eq!(histogram.number(2), Some(2), "cumulative");
        Some(histogram.message(1)).filter(|point| point.number(4) == Some(5))
    });
    assert_eq!((point.double(5), point.number(6), point.number(7)), (Some(21.5), Some(0), Some(1)));
    // Of scale 0, bucket i has the values above 2^i: 3 and 3.5 are in bucket 1, 17 in bucket 4, and -2 in bucket 0. The
    // number of an offset n is 2n.
    let side = |field| (point.message(field).number(1), point.message(field).packed(2));
    assert_eq!(side(8), (Some(2), vec![2, 0, 0, 1]));
    assert_eq!(side(9), (Some(0), vec![1]));
}

/// A series that expires gets a last point that says so.
#[test]
fn series_that_end_have_a_point_without_a_value() {
    let stub = Stub::start(|_| (200, "", Vec::new()));
    let scratch = Scratch::new("otlp-stale");
    let config = format!(
        "[defaults]\nttl = \"1s\"\n[[otlp]]\nurl = \"http://{}/\"\ninterval = \"1s\"\ncompression = \"none\"\n",
        stub.address
    );
    let daemon = sidecar(&scratch, &config);
    send(&daemon, "short:1|c", &["short_total 1"]);
    let ended = stub.find(|request| {
        let point = read(request).metrics.get("short_total")?.message(7).message(1);
        (point.number(8) == Some(1)).then_some(point)
    });
    assert_eq!(ended.double(4), None);
    assert!(!read(&stub.next()).metrics.contains_key("short_total"));
}

#[test]
fn the_variables_of_the_sdks_are_read() {
    let stub = Stub::start(|_| (200, "", Vec::new()));
    let scratch = Scratch::new("otel");
    let config = scratch.write("push.toml", "[[otlp]]\ninterval = \"1s\"\n");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_statsidecar"));
    command.args(["--config", &config, "--listen", "udp://127.0.0.1:0", "--http", "127.0.0.1:0"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}/base", stub.address));
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b");
    command.env("OTEL_EXPORTER_OTLP_COMPRESSION", "none");
    command.env("OTEL_SERVICE_NAME", "shop");
    command.env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test");
    let _daemon = Daemon::spawn(command);
    let request = stub.next();
    assert_eq!((request.line.as_str(), request.header("api-key")), ("POST /base/v1/metrics HTTP/1.1", "a b"));
    let resource = read(&request).resource;
    assert_eq!((resource["service.name"].as_str(), resource["deployment.environment"].as_str()), ("shop", "test"));
    let missing = run_in(scratch.path(), &["check", &config]);
    assert!(missing.stderr.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{missing:?}");
}
