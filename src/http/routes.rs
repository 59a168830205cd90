//! What is served under which path.

use std::sync::Arc;

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::answer::{Body, html, text};
use super::pages::Pages;
use super::scrape;
use super::state::ServerState;

/// Where answers come from.
pub(super) struct Routes {
    pub(super) state: Arc<ServerState>,
    pub(super) pages: Pages,
}

pub(super) async fn respond<B>(request: &Request<B>, routes: &Routes) -> Response<Body> {
    if request.uri().path() != "/-/healthy"
        && let Some(refusal) = routes.state.access.refusal(request.headers()).await
    {
        return refusal;
    }
    // hyper drops the body of an answer to HEAD, and keeps its length.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are served here.\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => routes.pages.status().await.map_or_else(scrape::no_pages, html),
        "/metrics" => scrape::respond(request, &routes.pages),
        "/-/healthy" => text(StatusCode::OK, "statsidecar is healthy.\n"),
        "/-/ready" => match not_ready(routes) {
            None => text(StatusCode::OK, "statsidecar is ready.\n"),
            Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
        },
        _ => text(StatusCode::NOT_FOUND, "There is nothing here; try / or /metrics.\n"),
    }
}

fn not_ready(routes: &Routes) -> Option<&'static str> {
    if !(routes.state.ready)() {
        Some("statsidecar is not ready: not every listener is read.\n")
    } else if !routes.pages.are_made() {
        Some("statsidecar is not ready: no page can be made.\n")
    } else {
        None
    }
}
