//! `POST /-/reload`: a client asks for the config to be read again, and gets the diagnostics.

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::admin::Admin;
use super::answer::{Body, refused, text};

/// The path.
pub(super) const PATH: &str = "/-/reload";

/// A client that asks for a reload and waits for its end.
#[derive(Debug)]
pub struct ReloadRequest(oneshot::Sender<Result<String, String>>);

impl ReloadRequest {
    /// Tells the client what came of it: the warnings, or why nothing has changed.
    pub(crate) fn answer(self, outcome: Result<String, String>) {
        let _ = self.0.send(outcome); // the client may be gone
    }
}

/// Where reloads are asked for.
pub type ReloadRequests = mpsc::UnboundedSender<ReloadRequest>;

pub(super) async fn respond<B>(
    request: &Request<B>,
    admin: Admin,
    requests: Option<&ReloadRequests>,
) -> Response<Body> {
    if request.method() != Method::POST {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Only POST reloads the config.\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let Some(requests) = requests.filter(|_| admin == Admin::Everybody) else {
        const WHY: &str = "Nothing is reloaded here: set [http] admin = true, or send SIGHUP to the process.\n";
        return refused(StatusCode::FORBIDDEN, WHY.to_owned());
    };
    let (answer, outcome) = oneshot::channel();
    let asked = requests.send(ReloadRequest(answer));
    match (asked, outcome.await) {
        (Ok(()), Ok(Ok(done))) => refused(StatusCode::OK, done),
        (Ok(()), Ok(Err(why))) => refused(StatusCode::UNPROCESSABLE_ENTITY, why),
        _ => text(StatusCode::SERVICE_UNAVAILABLE, "The config is not reloaded: the program is ending.\n"),
    }
}
