//! StatsD in, Prometheus out, beside the program that emits it.
//!
//! `statsidecar` takes StatsD lines over UDP, TCP and Unix sockets, keeps counters, gauges, histograms, sets and
//! summaries of them in memory, and serves these as a Prometheus page. This page is the map of its code; `README.md` is
//! for those who run it.
//!
//! # Promises
//!
//! 1. The numbers are right: `sent = applied + rejected (by reason) + dropped by rule + events + dropped by the kernel
//!    (per socket)`, and every term but the first is on `/metrics`.
//! 2. It is never felt: a line of a known series costs a lookup and an atomic addition.
//! 3. Nothing that arrives can hurt it: no datagram, scrape or config file crashes it, blanks the page, or grows it
//!    without limit.
//!
//! # The data path
//!
//! ```text
//! socket -> intake -> pipeline { parse -> mapping -> registry } -> expose -> http
//!                     hot: once a line    cold: once a series      once a scrape
//! ```
//!
//! | step | takes | gives | runs |
//! |---|---|---|---|
//! | [`intake`] | readable sockets | packets, lines of streams | once a batch of packets, or a read |
//! | [`parse`] | the bytes of a line | borrowed [`parse::Group`]s, or one [`reject::Reject`] | once a line |
//! | route | the raw bytes that identify a series | a handle to its cells, or a miss | once a line |
//! | [`mapping`] | name, tags, kind | name, labels, type, buckets, ttl, operation, or drop | once a series and worker |
//! | [`registry`] | the mapped metric | the series' cells, made or found | once a series and worker |
//! | [`metric`] | a change | changed atomics | once a line |
//! | [`expose`] | values that were read | bytes of one format | once a scrape |
//!
//! [`pipeline`] shows this on one screen; `explain` calls the same functions. Each worker owns a private route table
//! from the bytes of a line that identify its series (name, type and tags, as they came) to the shared cells. What is
//! expensive (tag parsing, escaping, rules, limits, the shared map) happens on a miss of that table only. Plain lines go
//! through the table in batches that ask for the memory of all their lines at once, so that the cache misses of many
//! series overlap.
//!
//! Where several workers share a socket, what they add up needs no order; gauges are applied in the order of arrival
//! ([`pipeline::Order`]).
//!
//! Intake of datagrams runs on threads of its own, blocking in `recvmmsg`; streams, HTTP and signals are tokio, on the
//! main thread. All streams share one worker: each is read once in its turn, so that none holds up the others. A page is
//! written on a thread that may wait for its client, one page at any moment, and never with a lock of the registry held.
//! The relay, where there is one, is a thread with a runtime of its own: workers copy whole packets to it, and wait for
//! nothing.
//!
//! # Where things are
//!
//! ```text
//! main.rs        the program
//! pipeline.rs    * a line becomes a metric here; Worker, its route table, and the batch that known lines go through
//! reject.rs      the closed list of reasons why a line or sample is lost
//! intake/        bind (sockets and their files), datagram (the receive loop), sys (recvmmsg: unsafe code),
//!                stream and client (connections), framing (a stream taken apart; pure)
//! parse/         simple_line (the shape of nearly every line), line, service_check, event, value, tags: pure, bytes to groups
//! mapping/       pattern, glob, condition, template, labels, names, conversion; compile, consistency, unreachable (what is wrong
//!                with the rules): the only place names become legal; relay_filter (which lines a target of the relay gets)
//! metric/        counter, gauge, histogram: cells; know no key, clock, text or socket; set, summary: those that look
//!                back over a window of time
//! registry/      series, families: get-or-create, limits, conflicts; expiry, presence: how series leave
//! expose/        text: values to bytes; pure
//! telemetry.rs   the sidecar's own metrics: table, tally, snapshot, and heavy_hitters (the names that hit a limit)
//! forward/       relay: lines sent on as they came; inbox (what workers hand over), queue (packets, bounded; pure), target and
//!                link (one task and socket each)
//! http/          server and one route match, scrape, page (written piece by piece), body, status page
//! daemon/        start, drain, what is said at the start, open files, loops of the relay, what /proc says of the process
//! config/        structs and defaults, load (file:line:column), address, dialect, units, re2 (regexes as that reads
//!                them), statsd_exporter (its mapping files)
//! clock.rs       the time by which series grow old
//! prefetch.rs    memory asked for ahead of its use (unsafe code)
//! workload.rs    lines to measure with
//! command/       run, check, explain, convert, load
//! ```
//!
//! | layer | modules | may use |
//! |---|---|---|
//! | leaves | `clock` `prefetch` `metric` `reject` `config` `workload` | std and data crates; `config` the types of `metric` |
//! | pure | `parse` `telemetry` `expose` `mapping` | leaves; `mapping` and `telemetry` what `parse` gives |
//! | state | `registry` | leaves, what `mapping` gives, the label text of `expose` |
//! | join | `pipeline` | the above |
//! | edges | `forward` `intake` `http` | the above; `intake` hands lines to `forward` |
//! | top | `daemon`, then `command` | anything below |
//!
//! # Invariants
//!
//! Each has a test; `tests/layers.rs` holds those that are about the code itself.
//!
//! 1. Shared mutable state is the registry, the telemetry counters, the clock and the shutdown signal: nothing else.
//!    (Streams, tasks of one thread, share their worker too. Workers that share a socket share the order of what they took; where lines are
//!    relayed, its inbox.)
//! 2. A line of a known series allocates nothing and takes no lock; that of a set or a summary takes its own. What is
//!    locked once a batch, if at all: the order of workers that share a socket, the relay's inbox, the names over a limit.
//! 3. Limits, kind conflicts and name collisions are decided where a series is made, and there only.
//! 4. `parse`, `mapping`, `metric` and `expose` do no I/O, read no clock, log nothing, hold no global.
//! 5. Untrusted bytes never panic.
//! 6. Every sample ends in exactly one place: applied, dropped by a rule, or one reject reason. An event is no sample,
//!    and is counted as one event. No sample is lost to a series that expires.
//! 7. `/metrics` is always a valid page, whatever was sent.
//! 8. Output is sorted and byte-stable.
//! 9. `unsafe` stands in `intake/sys.rs` and `prefetch.rs` alone, each block with its argument.

pub mod clock;
pub mod command;
pub mod config;
pub mod daemon;
pub mod expose;
pub mod forward;
pub mod http;
pub mod intake;
pub mod mapping;
pub mod metric;
pub mod parse;
pub mod pipeline;
pub mod prefetch;
pub mod registry;
pub mod reject;
mod sync;
pub mod telemetry;
pub mod workload;
