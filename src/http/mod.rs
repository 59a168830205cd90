//! The HTTP/1.1 server: `/metrics`, the status as JSON and as a page, and two health checks; and reloads of the config.
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
//! negotiate    the format and the coding that a client gets
//! exposures    as what each family is written in a format; text_writer and protobuf_writer do it
//! tap          the lines that arrive, for a client that watches
//! status       the state for `/api/v1/status`, read; status_page makes HTML of it, with the files in assets/
//! protection   access, admin and TLS together, which a reload changes
//! reload       a client asks for the config to be read again
//! admin        who gets the text of clients that `/metrics` does not show
//! ```

mod access;
mod activity;
mod admin;
mod answer;
mod assets;
mod connection;
mod connections;
mod exposition;
mod exposures;
mod file_stamp;
mod gzip;
mod negotiate;
mod own_texts;
mod page;
mod page_maker;
mod pages;
mod passwords;
mod protection;
mod protobuf_writer;
mod reload;
mod routes;
mod scrape;
mod secret_digest;
mod series_writer;
mod server;
mod socket;
mod state;
mod status;
mod status_page;
mod tap;
mod text_writer;
mod tls;
mod token_file;
mod wanted_names;
mod zstd;

pub use access::Access;
pub use activity::Timeouts;
pub use admin::{Admin, AdminVerdict};
pub use exposition::{exposition, exposition_as};
pub use protection::{Protection, SharedProtection};
pub use reload::{ReloadRequest, ReloadRequests};
pub use server::{BoundListener, Server};
pub use state::ServerState;
pub use tls::Tls;
