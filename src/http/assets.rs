//! The files that the status page loads. They are part of the program, so that the page needs no other server.

use bytes::Bytes;
use http_body_util::Either;
use hyper::{Response, StatusCode};

use super::answer::{Body, answer};

/// Each file with its path and type.
const FILES: [(&str, &str, &str); 3] = [
    ("/assets/page.css", "text/css; charset=utf-8", include_str!("assets/page.css")),
    ("/assets/page.js", "text/javascript; charset=utf-8", include_str!("assets/page.js")),
    ("/assets/icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// The file under this path.
pub(super) fn file(path: &str) -> Option<Response<Body>> {
    let (_, content_type, text) = FILES.iter().find(|(at, ..)| *at == path)?;
    Some(answer(StatusCode::OK, content_type, Either::Left(Bytes::from_static(text.as_bytes()).into())))
}
