//! `/metrics`: the answer to a scrape.

use http_body_util::Either;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, VARY};
use hyper::{Method, Request, Response, StatusCode};

use super::answer::{Body, answer, text};
use super::page::{Coding, Scraper};
use super::pages::Pages;
use crate::expose::text::CONTENT_TYPE;

pub(super) fn respond<B>(request: &Request<B>, pages: &Pages) -> Response<Body> {
    let coding = if takes_gzip(request.headers()) { Coding::Gzip } else { Coding::Plain };
    // hyper never polls the body of an answer to HEAD.
    let pieces = match request.method() == Method::HEAD && pages.are_made() {
        true => Some(Scraper::new(coding).1),
        false => pages.scrape(coding),
    };
    let Some(pieces) = pieces else { return no_pages() };
    let mut response = answer(StatusCode::OK, CONTENT_TYPE, Either::Right(pieces));
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    if coding == Coding::Gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// The answer where a page is asked for, and the thread that makes pages has panicked.
pub(super) fn no_pages() -> Response<Body> {
    const WHY: &str = "No page can be made, because of a bug of this program that its log shows; start it again.\n";
    text(StatusCode::SERVICE_UNAVAILABLE, WHY)
}

/// Whether the client accepts gzip. `*` is not enough.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9110#name-accept-encoding>.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        is_gzip && weight.is_none_or(|weight| weight.parse().is_ok_and(|weight: f32| weight > 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_clients_that_name_it() {
        for (asked, expected) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["GZip"], true),
            (&["deflate, gzip;q=0.5, br"], true),
            (&["deflate", "gzip"], true),
            (&["gzip ; q=0.001"], true),
            (&["gzip;q=0"], false),
            (&["gzip; Q=0.000"], false),
            (&["gzip;q=x"], false),
            (&["gzip;q=NaN"], false),
            (&["identity", "*"], false),
            (&["gzipped"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in asked {
                headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(takes_gzip(&headers), expected, "{asked:?}");
        }
    }
}
