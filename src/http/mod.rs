//! The HTTP/1.1 server: `/metrics`, the status page and two health checks, all read-only.

mod answer;
mod body;
mod exposition;
mod scrape;
mod server;
mod state;
mod status;

pub use exposition::exposition;
pub use server::{Timeouts, bind, serve};
pub use state::ServerState;
