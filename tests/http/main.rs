//! The HTTP server: what it serves, what it refuses, and that no client can keep it from another.

mod access;
mod bad_clients;
mod client;
mod connections;
mod crowd;
mod formats;
mod native;
mod page_thread;
mod routes;
mod scrapes;
mod status;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod unix_socket;
