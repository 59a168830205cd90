//! The HTTP/1.1 server: `/metrics`, the status page and two health checks, all read-only.
//!
//! ```text
//! server       the thread of the connections, which accepts them
//! connections  which connection is closed in favour of a new one
//! activity     what a connection does, and when it must be closed
//! connection   one connection: its requests and its end
//! routes       what is served under which path
//! access       who may read; passwords, token_file
//! tls          the certificate
//! pages        the thread that makes pages
//! page         one exposition for the clients that share it
//! exposition   the text of an exposition, piece by piece
//! ```

mod access;
mod activity;
mod answer;
mod connection;
mod connections;
mod exposition;
mod file_stamp;
mod gzip;
mod page;
mod page_maker;
mod pages;
mod passwords;
mod routes;
mod scrape;
mod secret_digest;
mod server;
mod socket;
mod state;
mod status;
mod tls;
mod token_file;

pub use access::Access;
pub use activity::Timeouts;
pub use exposition::exposition;
pub use server::{BoundListener, Server};
pub use state::ServerState;
pub use tls::Tls;
