//! The HTTP/1.1 server: `/metrics`, the status page and two health checks, all read-only.

mod answer;
mod exposition;
mod scrape;
mod server;
mod state;
mod status;

pub use exposition::exposition;
pub use server::{Timeouts, serve};
pub use state::ServerState;
