//! Every method of `cadence`, over each of its sinks. The expected series are in cadence.txt.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::panic::RefUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cadence::prelude::*;
use cadence::{
    BufferedUdpMetricSink, BufferedUnixMetricSink, MetricResult, MetricSink, QueuingMetricSink, SinkStats,
    StatsdClient, UdpMetricSink, UnixMetricSink,
};

use crate::support::PATIENCE;

/// Less than the size of all lines, so that the client sends its buffer more than once.
const BUFFER: usize = 256;

/// Calls every method of a client whose sink sends to `address`; `transport` and `mode` choose the sink.
pub fn run(transport: &str, address: &str, mode: &str) {
    match (transport, mode) {
        ("udp", "plain") => send(UdpMetricSink::from(udp(address), any_port()).expect("an address")),
        ("udp", "buffered") => send(buffered_udp(address)),
        ("udp", _) => send_from_queue(buffered_udp(address)),
        (_, "plain") => send(UnixMetricSink::from(address, unbound())),
        (_, "buffered") => send(BufferedUnixMetricSink::with_capacity(address, unbound(), BUFFER)),
        (_, _) => send_from_queue(BufferedUnixMetricSink::with_capacity(address, unbound(), BUFFER)),
    }
}

fn udp(address: &str) -> SocketAddr {
    address.parse().expect("an address")
}

fn any_port() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("loopback has ports")
}

fn unbound() -> UnixDatagram {
    UnixDatagram::unbound().expect("a socket")
}

fn buffered_udp(address: &str) -> BufferedUdpMetricSink {
    BufferedUdpMetricSink::with_capacity(udp(address), any_port(), BUFFER).expect("an address")
}

/// Lines wait in a queue, and a thread of the client sends them.
fn send_from_queue(sink: impl MetricSink + Sync + Send + RefUnwindSafe + 'static) {
    let written = Arc::new(AtomicU64::new(0));
    let queue = QueuingMetricSink::from(WorkerStats { sink, written: Arc::clone(&written) });
    let client = client(queue.clone());
    call_everything(&client).expect("every call is taken");
    let deadline = Instant::now() + PATIENCE;
    while written.load(Ordering::Acquire) < queue.submitted() {
        assert!(Instant::now() < deadline, "{} lines are still queued", queue.queued());
        thread::yield_now();
    }
    client.flush().expect("the rest is sent");
    assert_eq!((queue.panics(), queue.stats().packets_dropped), (0, 0));
}

/// Counts the lines that left the queue, because the queue's own counters run ahead.
struct WorkerStats<S> {
    sink: S,
    written: Arc<AtomicU64>,
}

impl<S: MetricSink> MetricSink for WorkerStats<S> {
    fn emit(&self, line: &str) -> io::Result<usize> {
        let result = self.sink.emit(line);
        self.written.fetch_add(1, Ordering::Release);
        result
    }

    fn flush(&self) -> io::Result<()> {
        self.sink.flush()
    }

    fn stats(&self) -> SinkStats {
        self.sink.stats()
    }
}

fn send(sink: impl MetricSink + Sync + Send + RefUnwindSafe + 'static) {
    let client = client(sink);
    call_everything(&client).expect("every call is taken");
    client.flush().expect("the rest is sent");
}

fn client(sink: impl MetricSink + Sync + Send + RefUnwindSafe + 'static) -> StatsdClient {
    StatsdClient::builder("app", sink)
        .with_tag("region", "eu")
        .with_container_id("ci-1")
        .with_error_handler(|error| panic!("a line was not sent: {error}"))
        .build()
}

fn call_everything(client: &StatsdClient) -> MetricResult<()> {
    count(client)?;
    time(client)?;
    measure(client)
}

fn count(client: &StatsdClient) -> MetricResult<()> {
    client.incr("hits")?;
    client.count("hits", 41_i64)?;
    client.count("hits", 4_i32)?;
    client.count("hits", 3_u64)?;
    client.count("hits", 2_u32)?;
    let tagged = client.count_with_tags("tagged.hits", 3).with_tag("url", "http://x:80/a").with_tag("city", "Köln");
    tagged.with_tag_value("prod").send();
    client.count_with_tags("sampled.hits", 4).with_sampling_rate(0.5).send();
    client.count_with_tags("late.hits", 4).with_timestamp(1_656_581_400).with_container_id("ci-2").try_send()?;
    client.incr_with_tags("jobs.updown").send();
    client.count("jobs.updown", 2)?;
    client.decr("jobs.updown")?;
    client.decr_with_tags("jobs.updown").send();
    client.count("jobs.updown", -1)?;
    client.incr("jobs.updown")?;
    client.incr("jobs.updown")?;
    client.meter("meter", 11)?;
    client.meter_with_tags("meter", 2).send();
    client.set("users", 7)?;
    client.set("users", -7)?;
    client.set("users", 7)?;
    client.set_with_tags("users", 8).send();
    Ok(())
}

fn time(client: &StatsdClient) -> MetricResult<()> {
    client.time("took", 320)?;
    client.time("took", Duration::from_secs(2))?;
    client.time("took", vec![100, 6000])?;
    client.time("took", vec![Duration::from_millis(250), Duration::from_secs(7)])?;
    client.time_with_tags("sampled.took", 6000).with_sampling_rate(0.5).send();
    Ok(())
}

fn measure(client: &StatsdClient) -> MetricResult<()> {
    client.gauge("level", 7)?;
    client.gauge_with_tags("level", 9.5).send();
    client.gauge("moved", 10)?;
    // This client sends a minus sign unchanged, so it moves the gauge.
    client.gauge("moved", -2.5)?;
    client.histogram("size", 4)?;
    client.histogram("size", 0.25)?;
    client.histogram("size", vec![1, 6])?;
    client.histogram("size", vec![0.5, 2.5])?;
    client.histogram("nanos", Duration::from_nanos(3))?;
    client.histogram("nanos", vec![Duration::from_nanos(1), Duration::from_nanos(7)])?;
    client.distribution("weight", 6)?;
    client.distribution("weight", 0.125)?;
    client.distribution("weight", vec![1, 2])?;
    client.distribution("weight", vec![0.5, 8.0])?;
    Ok(())
}
