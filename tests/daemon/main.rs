//! The running program over real sockets, for everything that takes more than one row of `tests/conformance`.

mod arrivals;
mod budget;
mod contract;
mod expiry;
mod gathering;
mod idle;
mod limits;
mod lines;
mod losses;
mod reloads;
mod service_manager;
mod sockets;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod windows;
mod workers;

use support::{Exposition, client, listening, started};

/// The series lines of the clients, without those of the sidecar itself.
fn clients(exposition: &str) -> Vec<String> {
    Exposition::read(exposition).expect("the exposition is valid").clients(|_| false)
}
