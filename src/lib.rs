//! StatsD in, Prometheus out, beside the program that emits it.
//!
//! `statsidecar` reads StatsD lines from UDP, TCP and Unix sockets. It keeps counters, gauges, histograms, sets and
//! summaries in memory, and serves them to Prometheus. This page is the map of the code; `README.md` and `docs/` are for
//! people who run it.
//!
//! # Promises
//!
//! 1. The numbers are right: every sample received is applied, rejected for one reason or dropped by a rule. Events are
//!    counted as lines, and what the kernel dropped as packets of its socket. All these counts are on `/metrics`.
//! 2. It is never felt: a line of a known series costs a lookup and an atomic addition.
//! 3. Nothing that arrives can hurt it: no datagram, scrape or config file crashes it, spoils `/metrics`, or makes it grow
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
//! | [`parse`] | the bytes of a line | borrowed parts of it, or one [`reject::Reject`] | once a line |
//! | route cache | the raw bytes that identify a series | a route to the series, or a miss | once a line |
//! | [`mapping`] | name, tags and type of a line | a metric and the conversion of its values, or drop | on a miss |
//! | [`registry`] | the metric | its series, found or made | on a miss |
//! | [`metric`] | an update | changed atomics | once a line |
//! | [`expose`] | values that were read | bytes of one format | once a scrape |
//!
//! **[`pipeline`] is where a line becomes a metric**; the file shows the whole way. Each worker owns a route cache: from
//! the bytes of a line that identify its series (name, type and tags, as they came) to the series. Everything expensive
//! (tag parsing, escaping, rules, limits, the shared map) happens once for a series that is new to the worker. The
//! [`pipeline::Resolver`] does it, and `explain` prints what the resolver gives. Simple lines are looked up together, so
//! that the processor's cache misses overlap.
//!
//! **A [`registry::Family`] owns its metadata and its series.** A scrape walks the families, so a name has one header. The
//! shared map of families is a `DashMap`; a thread that adds or removes a series holds one lock beside it.
//!
//! **A series expires without losing a sample.** A worker holds the lock of its own route cache while its
//! [`pipeline::Work`] exists. The sweeper ([`pipeline::Pipeline::sweep`]) takes the lock of each worker in turn and makes
//! it forget the routes that are due. A worker that resolves such a series again touches it under the lock of its family.
//! Last, the sweeper removes, under that lock, what is still due.
//!
//! **What outlives the process is where it is changed.** With `[state]`, the cells of counters, gauges and histograms are
//! in a file in memory. An update is the same atomic as without, and a kill takes no more than the batch in hand. Once in a
//! while a thread writes all series to a snapshot on a disk. A series keeps the key of the line that it was made for: the
//! next process, or other rules after a reload, find out by it what the series is now.
//!
//! **A reload loses no line.** An [`pipeline::Edition`] is the rules of one config and the series under them. The next
//! edition is made beside the current one, and shares with it the series whose rules have not changed. Then each worker
//! gets it between two batches. A key is always resolved by the newest edition ([`pipeline::Pipeline::reload`]).
//!
//! **Several workers can share one socket.** Counters and histograms add up the same in any order. Updates of gauges are
//! applied in the order of arrival, by [`pipeline::Ticket`].
//!
//! # Threads
//!
//! | thread | does | may block on |
//! |---|---|---|
//! | intake, one or more for each datagram socket | receives and applies packets | `recvmmsg`, or `poll` if the socket was passed; 10 ms while packets gather, unless a scrape asks; the lock of its route cache while the sweeper or a reload has it; the ticket of an earlier batch; for a new series the registry's locks |
//! | main | the runtime of tokio: streams, signals, the clock | the same locks, for its streams |
//! | http | the connections of HTTP clients | nothing |
//! | pages | makes expositions, piece by piece in turn; status pages, and explanations of lines | `/proc`; the lock of a family while some handles are copied |
//! | arrivals | waits until what arrived before a scrape is applied | workers, 100 ms at most |
//! | passwords, with `[http] users` | checks passwords | nothing |
//! | blocking pool | sweeps, reloads | workers |
//! | state, with `[state]` | writes snapshots | the disk; the lock of a family while some handles are copied |
//! | relay, if there is one | sends lines on | its targets |
//! | push, if there is a receiver | reads all series each interval, and sends them | as the pages do; workers, 100 ms at most; files of passwords |
//! | signals, with `--until-exit` | receives the signals that are passed on | the next signal |
//! | log | writes the log | the reader of the standard error |
//!
//! All streams share one worker, and a connection yields after each read, so that none holds up the others. One thread
//! writes all expositions, some series at a time, and never while a lock of the registry is held. Clients that wait at the
//! same moment share an exposition; a slow one gets one of its own, which holds no series while it waits. Workers copy
//! packets to the relay's inbox and never wait for a target.
//!
//! # Where things are
//!
//! ```text
//! main.rs        the program
//! pipeline.rs    * a line becomes a metric here; worker, route cache, resolver, sweep, reload, and the ticket order of gauges
//! reject.rs      the closed list of reasons why a line or a sample is lost
//! intake/        sockets, their files, those that were passed, datagrams, streams, framing; sys has the unsafe code
//! parse/         simple lines (nearly all), lines of any shape, service checks, events, values, tags: pure
//! mapping/       rules compiled once; the only place where names become legal; what is wrong with rules
//! metric/        counter, gauge, histogram, set, summary: cells; know no key, clock, text or socket
//! registry/      families and series; limits and conflicts; the expiry queue
//! expose/        values to text: pure
//! state/         what outlives the process: the arena, which is mapped (unsafe), and the snapshot
//! status.rs      what /api/v1/status tells, as values that are written and read
//! tap.rs         what /api/v1/tap sends, in the same way
//! telemetry.rs   the sidecar's own metrics: one table, and the counters behind it
//! explain/       what a line does, without doing it, and the wrong byte of a rejected line
//! forward/       the relay: lines sent on as they came
//! push/          all series to receivers of OTLP and remote write: rounds, encoders, queues
//! http/          connections, routes, the thread of pages, exposition, status page, explanations
//! daemon/        start, drain, clock, signals, the command of a job, limits of the process, the service manager and its watchdog
//! config/        structs and defaults, the reader of TOML files, addresses, units, diagnostics
//! import/        mapping files of statsd_exporter as config files
//! generate/      dashboard, alerts, METRICS.md and scrape job from a config: pure
//! suggest/       rules proposed from lines: pure
//! command/       run, check, explain, suggest, convert, generate, load, top
//! clock.rs       the time by which series expire
//! log.rs         the standard error, and the thread that writes there
//! memory.rs      the allocator that counts; unsafe
//! sync.rs        the lock and the atomics, or the model checker's
//! prefetch.rs    memory asked for ahead of its use; unsafe
//! workload.rs    lines to measure with
//! ```
//!
//! `docs/src/architecture.md` says where a new tag dialect, output format or StatsD type goes. A new command goes to a file
//! in `command/`, a new own metric to `telemetry/table.rs`.
//!
//! | layer | modules | may use |
//! |---|---|---|
//! | leaves | `clock` `log` `memory` `prefetch` `sync` `metric` `reject` `config` `state` `status` `tap` `workload` | std and data crates; `config` the types of `metric`, `state` what `memory` counts |
//! | pure | `parse` `telemetry` `expose` `mapping` | leaves; `mapping` and `telemetry` what `parse` gives |
//! | state | `registry` | leaves, what `mapping` gives, the label text of `expose`, the types of lines, the slots of `state` |
//! | join | `pipeline`, then `explain` and `suggest` | the above |
//! | edges | `forward` `generate` `intake` `http` `import` `push` | the above; `intake` hands lines to `forward` |
//! | top | `daemon`, then `command` | anything below |
//!
//! # Invariants
//!
//! Each has a test; `tests/layers.rs` holds those about the code itself.
//!
//! 1. Shared mutable state is the current edition, the telemetry counters, the clock and the shutdown signal: nothing else.
//!    Workers that share a socket also share its tickets; with a relay, all workers share its inbox. The process has two
//!    globals: how many bytes are allocated, and the queue of the log.
//! 2. A line of a known series allocates nothing, unless a client watches lines. It takes no lock that another thread
//!    holds for long: the lock of its worker, once for many lines; that of its set or summary; those of tickets, of the
//!    relay's inbox, of the names over a limit, of the sampled names and of the watching clients, once for many lines and
//!    only if there are any.
//! 3. Limits, type conflicts and name collisions are decided where a series is made, and only there. Only memory is asked
//!    for once more, where a set, a summary or a route cache must grow.
//! 4. `parse`, `mapping`, `metric` and `expose` do no I/O, read no clock, log nothing, hold no global.
//! 5. Untrusted bytes never panic.
//! 6. Every sample ends in exactly one place: applied, dropped by a rule, or one reject reason. An event is no sample and
//!    is counted as one event. No sample is lost to a series that expires, and none to a reload, unless the rules change
//!    what its series is.
//! 7. `/metrics` is always valid, whatever was sent. Every family has one header.
//! 8. Output is sorted and byte-stable.
//! 9. `unsafe` is in `intake/sys.rs`, `memory.rs`, `prefetch.rs` and `state/mapping.rs` alone, each block with its argument.

#![warn(unreachable_pub)]

pub mod clock;
pub mod command;
pub mod config;
pub mod daemon;
pub mod explain;
pub mod expose;
pub mod forward;
mod generate;
pub mod http;
pub mod import;
pub mod intake;
mod log;
pub mod mapping;
pub mod memory;
pub mod metric;
pub mod parse;
pub mod pipeline;
pub mod prefetch;
mod push;
pub mod registry;
pub mod reject;
pub mod retries;
pub mod state;
pub mod status;
pub mod suggest;
mod sync;
pub mod tap;
pub mod telemetry;
pub mod workload;
