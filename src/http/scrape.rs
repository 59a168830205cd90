//! `/metrics`: the answer to a scrape.

use http_body_util::Either;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY,
};
use hyper::{Method, Request, Response, StatusCode};

use super::answer::{Body, answer, text};
use super::negotiate::{self, Coding};
use super::page::{PageKind, Scraper};
use super::pages::Pages;
use super::wanted_names::WantedNames;

pub(super) fn respond<B>(request: &Request<B>, pages: &Pages) -> Response<Body> {
    let headers = request.headers();
    let format = negotiate::format(values(headers, ACCEPT));
    let coding = negotiate::coding(values(headers, ACCEPT_ENCODING));
    let kind = PageKind { format, names: WantedNames::read(request.uri().query().unwrap_or_default()) };
    // hyper never polls the body of an answer to HEAD.
    let pieces = match request.method() == Method::HEAD && pages.are_made() {
        true => Some(Scraper::new(kind, coding).1),
        false => pages.scrape(kind, coding),
    };
    let Some(pieces) = pieces else { return no_pages() };
    let mut response = answer(StatusCode::OK, "text/plain", Either::Right(pieces));
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::try_from(format.content_type()) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    match coding {
        Coding::Plain => {}
        Coding::Gzip => _ = headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        Coding::Zstd => _ = headers.insert(CONTENT_ENCODING, HeaderValue::from_static("zstd")),
    }
    response
}

/// The values of a header, as far as they are text.
fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

/// The answer where a page is asked for, and the thread that makes pages has panicked.
pub(super) fn no_pages() -> Response<Body> {
    const WHY: &str = "No page can be made, because of a bug of this program that its log shows; start it again.\n";
    text(StatusCode::SERVICE_UNAVAILABLE, WHY)
}
