//! What is served under which path.

use std::sync::Arc;

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::admin::AdminVerdict;
use super::answer::{Body, html, json, refused, text};
use super::assets;
use super::pages::{Pages, Question};
use super::state::ServerState;
use super::{reload, scrape};
use crate::tap;

/// Where answers come from.
pub(super) struct Routes {
    pub(super) state: Arc<ServerState>,
    pub(super) pages: Pages,
}

pub(super) async fn respond<B>(request: &Request<B>, routes: &Routes) -> Response<Body> {
    let protection = routes.state.protection.get();
    if request.uri().path() != "/-/healthy"
        && let Some(refusal) = protection.access.refusal(request.headers()).await
    {
        return refusal;
    }
    if request.uri().path() == reload::PATH {
        return reload::respond(request, protection.admin, routes.state.reloads.as_ref()).await;
    }
    // hyper drops the body of an answer to HEAD, and keeps its length.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are served here.\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let verdict = protection.admin.verdict(request.headers());
    match request.uri().path() {
        "/" => routes.pages.ask(Question::Page(verdict)).await.map_or_else(scrape::no_pages, html),
        "/api/v1/status" => routes.pages.ask(Question::Status(verdict)).await.map_or_else(scrape::no_pages, json),
        "/api/v1/explain" => explain(request, routes, verdict).await,
        tap::PATH => super::tap::respond(request, &routes.state, verdict),
        "/metrics" => scrape::respond(request, &routes.pages),
        "/-/healthy" => text(StatusCode::OK, "statsidecar is healthy.\n"),
        "/-/ready" => match not_ready(routes) {
            None => text(StatusCode::OK, "statsidecar is ready.\n"),
            Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
        },
        path => assets::file(path)
            .unwrap_or_else(|| text(StatusCode::NOT_FOUND, "There is nothing here; try / or /metrics.\n")),
    }
}

/// What the line in the query does. It is decoded by RFC 3986, so that the `+` of a gauge stays as it is.
async fn explain<B>(request: &Request<B>, routes: &Routes, verdict: AdminVerdict) -> Response<Body> {
    if !verdict.served {
        return refused(StatusCode::FORBIDDEN, format!("No line is explained here: {}.\n", verdict.why));
    }
    let mut arguments = request.uri().query().unwrap_or_default().split('&');
    let Some(line) = arguments.find_map(|argument| argument.strip_prefix("line=")) else {
        return text(StatusCode::BAD_REQUEST, "Write the line, percent-encoded: /api/v1/explain?line=a:1%7Cc\n");
    };
    let line = percent_decode_str(line).collect();
    routes.pages.ask(Question::Explain(line)).await.map_or_else(scrape::no_pages, json)
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
