//! A Rust program that sends StatsD with `cadence`: one call of each kind, with tags and with sampling.
//!
//! ```sh
//! statsidecar &                                     # StatsD on udp://127.0.0.1:8125
//! cargo run --example cadence                       # or: cargo run --example cadence -- 127.0.0.1:9125
//! curl -s http://127.0.0.1:9102/metrics | grep ^shop_
//! ```
//!
//! The sinks are those that a service would use. A call only puts a line on a bounded queue, and a thread gathers lines
//! into packets, so nothing blocks or fails the caller.

use std::net::{ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cadence::prelude::*;
use cadence::{BufferedUdpMetricSink, MetricSink, QueuingMetricSink, StatsdClient};

/// Lines that may wait for the sending thread. Further lines are dropped, because the caller must not wait.
const QUEUE: usize = 64 * 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8125".to_owned());
    let target = address.to_socket_addrs()?.next().ok_or("the address has no IP address")?;
    let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };

    let buffered = BufferedUdpMetricSink::from(target, UdpSocket::bind(any)?)?;
    let emitted = Arc::new(AtomicU64::new(0));
    let queue = QueuingMetricSink::with_capacity(Tally { sink: buffered, emitted: Arc::clone(&emitted) }, QUEUE);
    let client = StatsdClient::builder("shop", queue.clone())
        .with_tag("region", "eu") // added to every line
        .with_error_handler(|error| eprintln!("a metric was not sent: {error}"))
        .build();

    for order in 0..1_000 {
        serve(&client, order);
    }
    finish(&client, &queue, &emitted)?;
    println!("{} lines sent to {target}", emitted.load(Ordering::Acquire));
    Ok(())
}

/// What one request of a shop would measure.
///
/// `send()` passes an error to the handler above; `client.count(...)` and the like return it instead.
fn serve(client: &StatsdClient, order: u64) {
    let status = if order.is_multiple_of(50) { "refused" } else { "paid" };
    // Counter: shop_orders_total{region="eu",status="..."}
    client.count_with_tags("orders", 1).with_tag("status", status).send();
    // Gauge: shop_stock{region="eu",item="tea"}
    client.gauge_with_tags("stock", 1_000.0 - 0.5 * order as f64).with_tag("item", "tea").send();
    // Timer: milliseconds on the wire, seconds on /metrics: shop_checkout_seconds
    client.time_with_tags("checkout", Duration::from_millis(20 + order % 200)).send();
    // Histogram and distribution: values as they are. Both may pack several values into one line.
    client.histogram_with_tags("basket_items", 1 + order % 12).send();
    client.distribution_with_tags("item_price", vec![4.5, 12.0, 99.9]).send();
    // Sampling: the caller sends one line of ten, and the rate says so.
    if order.is_multiple_of(10) {
        client.count_with_tags("page_views", 1).with_sampling_rate(0.1).send();
        client.histogram_with_tags("page_bytes", 40_000 + order).with_sampling_rate(0.1).send();
    }
}

/// Counts the lines that reached the sink. The queue's own figures count a line when it is taken from the queue, before
/// it is written, so they do not say when the last line was written.
#[derive(Debug)]
struct Tally<S> {
    sink: S,
    emitted: Arc<AtomicU64>,
}

impl<S: MetricSink> MetricSink for Tally<S> {
    fn emit(&self, metric: &str) -> std::io::Result<usize> {
        let result = self.sink.emit(metric);
        self.emitted.fetch_add(1, Ordering::Release);
        result
    }

    fn flush(&self) -> std::io::Result<()> {
        self.sink.flush()
    }
}

/// Sends the lines that still wait. Only a program that ends needs this: it would lose its last lines.
fn finish(
    client: &StatsdClient,
    queue: &QueuingMetricSink,
    emitted: &AtomicU64,
) -> Result<(), Box<dyn std::error::Error>> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while emitted.load(Ordering::Acquire) < queue.submitted() {
        if Instant::now() > deadline {
            return Err("the queue did not empty in time".into());
        }
        std::thread::yield_now();
    }
    Ok(client.flush()?)
}
