//! Batches that workers take from one socket: what depends on the order is applied in the order of their tickets.

#[path = "support/pipeline.rs"]
mod pipeline;

use std::sync::Arc;

use statsidecar::http;
use statsidecar::metric::Sharing;
use statsidecar::pipeline::{Pipeline, TicketOrder, Worker};
use statsidecar::telemetry::{Listener, Snapshot};

use pipeline::{pipeline, pipeline_with_arena};

/// The values of `a`, of `b` and of `n_total`.
fn values(pipeline: &Pipeline) -> [String; 3] {
    let exposition = String::from_utf8(http::exposition(pipeline, &Snapshot::default())).expect("it is UTF-8");
    ["a ", "b ", "n_total "].map(|name| {
        exposition.lines().find_map(|line| line.strip_prefix(name)).expect("the series is there").to_owned()
    })
}

#[test]
fn gauges_have_the_value_of_the_last_packet_whichever_worker_is_first() {
    for pipeline in [pipeline(""), pipeline_with_arena("")] {
        let listener = Listener::new("udp://test".to_owned());
        let worker = || Worker::new(Arc::clone(&pipeline), Sharing::Shared);
        let (mut first, mut second) = (worker(), worker());
        for worker in [&mut first, &mut second] {
            worker.begin(&listener, None).batch().packet(b"a:1|g\nb:1|g\nn:1|c");
        }
        let order = Arc::new(TicketOrder::default());
        let mut ahead = second.begin(&listener, Some(order.ticket(1)));
        ahead.batch().packet(b"a:5|g\nb:+2|g\nn:10|c");
        assert_eq!(values(&pipeline), ["1", "1", "12"], "counters need no order");
        first.begin(&listener, Some(order.ticket(0))).batch().packet(b"a:3|g\nb:7|g\nn:100|c");
        assert_eq!(values(&pipeline), ["3", "7", "112"]);
        drop(ahead);
        assert_eq!(values(&pipeline), ["5", "9", "112"]);
    }
}
