//! Expositions: whole, compressed, shared.

use std::sync::Arc;

use statsidecar::config::Config;
use statsidecar::http::{BoundListener, Server, ServerState, Timeouts};
use statsidecar::mapping::Rules;
use statsidecar::metric::Sharing;
use statsidecar::pipeline::{Pipeline, Worker};
use statsidecar::telemetry::{Listener, Snapshot};

use crate::client::{header, many_series, of_series, scrape_request, unzip};
use crate::support::{request, started};

#[test]
fn each_scrape_gets_a_new_exposition() {
    let daemon = started(&[]);
    let scrapes = |exposition: &str| {
        let line = exposition.lines().find_map(|line| line.strip_prefix("statsidecar_scrapes_total{format=\"text\"} "));
        line.and_then(|number| number.parse::<u64>().ok()).expect("scrapes are counted")
    };
    let expositions = [daemon.scrape(), daemon.scrape(), daemon.scrape()];
    assert_eq!(expositions.each_ref().map(|exposition| scrapes(exposition)), [0, 1, 2]);
    assert!(expositions[2].contains("\nstatsidecar_scrape_duration_seconds_count 2\n"), "{}", expositions[2]);
}

#[test]
fn the_exposition_is_compressed_for_clients_that_accept_gzip() {
    let daemon = started(&[]);
    many_series(&daemon, 5000);
    let plain = daemon.scrape();
    assert_eq!(of_series(&plain).len(), 5000);
    for asked in ["Accept-Encoding: gzip\r\n", "accept-encoding: br;q=1.0, gzip;q=0.8, *;q=0.1\r\n"] {
        let (head, body) = request(daemon.http, &scrape_request(asked));
        assert_eq!(header(&head, "content-encoding"), Some("gzip"), "{asked}");
        assert_eq!(header(&head, "vary"), Some("accept, accept-encoding"), "{asked}");
        assert!(body.len() < plain.len() / 5, "{} of {}", body.len(), plain.len());
        assert_eq!(of_series(&unzip(&body)), of_series(&plain), "{asked}");
    }
    for asked in ["", "Accept-Encoding: gzip;q=0\r\n", "Accept-Encoding: identity, deflate\r\n"] {
        let (head, body) = request(daemon.http, &scrape_request(asked));
        assert_eq!(header(&head, "content-encoding"), None, "{asked}");
        assert_eq!(
            header(&head, "vary"),
            Some("accept, accept-encoding"),
            "caches must know that the encoding may differ: {asked}"
        );
        assert_eq!(of_series(&String::from_utf8(body).expect("text")), of_series(&plain), "{asked}");
    }
    let head = request(daemon.http, &scrape_request("Accept-Encoding: gzip\r\n").replace("GET", "HEAD")).0;
    assert_eq!(header(&head, "content-encoding"), Some("gzip"));
    let head = request(daemon.http, &scrape_request("Accept-Encoding: gzip\r\n").replace("/metrics", "/")).0;
    assert_eq!(header(&head, "content-encoding"), None, "the status page is small");
}

/// A scrape sends what `page` gives, whose order and text other tests check.
#[test]
fn the_pieces_of_a_scrape_make_the_whole_exposition() {
    let (rules, _) = Rules::compile(&Config::default());
    let pipeline = Arc::new(Pipeline::new(&Config::default(), rules));
    let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::Shared);
    let udp = Listener::new("udp://test".to_owned());
    // Families of one series, a family of many, and lengths that make pieces end at many different places.
    for n in 0..20_000_usize {
        let tag = "x".repeat(n % 97);
        let packet = format!("a{n}:1|c\nb:{n}|ms|#n:{n},t:{tag}\nzz{}:1|g|#n:{n}", n % 7);
        worker.begin(&udp, None).batch().packet(packet.as_bytes());
    }
    // The size of the exposition before this one is another in each.
    let without_size = |exposition: Vec<u8>| {
        let text = String::from_utf8(exposition).expect("text");
        let lines = text.lines().filter(|line| !line.starts_with("statsidecar_exposition_bytes "));
        lines.flat_map(|line| [line, "\n"]).collect::<String>()
    };
    let exposition = without_size(statsidecar::http::exposition(&pipeline, &Snapshot::default()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let state = ServerState::new(pipeline, Box::new(Snapshot::default), Box::new(|| true), Box::new(|| ()));
    let _server = Server::start(vec![BoundListener::Tcp(listener)], state, 64, Timeouts::default()).expect("threads");
    assert!(exposition.len() > 10 << 20, "{}", exposition.len());
    let own = |exposition: &str| exposition.find("# HELP statsidecar_scrape_duration").expect("it is there");
    for asked in ["", "Accept-Encoding: gzip\r\n"] {
        let (_, body) = request(address, &scrape_request(asked));
        let streamed = without_size(if asked.is_empty() { body } else { unzip(&body).into_bytes() });
        // Only the metrics about scrapes differ.
        assert!(streamed[..own(&streamed)] == exposition[..own(&exposition)], "{asked}");
        let rest = |exposition: &str| {
            exposition[exposition.find("# HELP statsidecar_series ").expect("it is there")..].to_owned()
        };
        assert!(rest(&streamed) == rest(&exposition), "{asked}");
    }
    assert_eq!(exposition.matches(" histogram\n").count(), 2, "a family has one header, however many its series");
}

#[test]
fn simultaneous_scrapes_are_all_complete() {
    let daemon = started(&[]);
    many_series(&daemon, 20_000);
    let exposition = daemon.scrape();
    let expected = of_series(&exposition);
    std::thread::scope(|scope| {
        for asked in ["", "Accept-Encoding: gzip\r\n", "", "Accept-Encoding: gzip\r\n"] {
            let (http, expected) = (daemon.http, &expected);
            scope.spawn(move || {
                for _ in 0..3 {
                    let (_, body) = request(http, &scrape_request(asked));
                    let exposition =
                        if asked.is_empty() { String::from_utf8(body).expect("text") } else { unzip(&body) };
                    assert!(of_series(&exposition) == *expected);
                }
            });
        }
    });
}

/// Compressed or not, by its text.
#[test]
fn the_size_of_an_exposition_is_on_the_next_one() {
    let daemon = started(&[]);
    many_series(&daemon, 2000);
    for asked in ["", "Accept-Encoding: gzip\r\n"] {
        let (_, body) = request(daemon.http, &scrape_request(asked));
        let size = if asked.is_empty() { body.len() } else { unzip(&body).len() };
        let next = daemon.scrape();
        let shown = next.lines().find_map(|line| line.strip_prefix("statsidecar_exposition_bytes "));
        assert_eq!(shown, Some(size.to_string().as_str()), "{asked}");
    }
}

/// Several frames, one after the other, are a whole, for a page of several pieces and for one of less than a piece.
#[test]
fn the_exposition_is_in_zstd_for_clients_that_prefer_it() {
    let daemon = started(&[]);
    for series in [0, 5000] {
        many_series(&daemon, series);
        let plain = daemon.scrape();
        let (head, body) = request(daemon.http, &scrape_request("Accept-Encoding: gzip;q=0.5, zstd\r\n"));
        assert_eq!(header(&head, "content-encoding"), Some("zstd"));
        let mut text = Vec::with_capacity(16 << 20);
        zstd_safe::decompress(&mut text, &body).expect("whole frames");
        assert_eq!(of_series(std::str::from_utf8(&text).expect("text")), of_series(&plain));
        assert!(text.ends_with(b"\n") && body.len() < plain.len() / 3, "{} of {}", body.len(), plain.len());
    }
}
