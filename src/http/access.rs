//! Who may read: users with passwords, and who has a token. Without either, everybody may.
//!
//! Source: RFC 7617 (Basic), RFC 6750 (Bearer).

use std::io;
use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::answer::{Body, text};
use super::passwords::{Passwords, Verdict};
use super::token_file::TokenFile;

/// Who may read.
#[derive(Debug, Default)]
pub struct Access {
    passwords: Option<Passwords>,
    token: Option<TokenFile>,
}

impl Access {
    /// For these users, each with the hash of the password as a PHC string of argon2, and for who has the token that is in
    /// the file.
    pub fn new(users: Vec<(String, String)>, token_file: Option<PathBuf>) -> io::Result<Self> {
        let passwords = if users.is_empty() { None } else { Some(Passwords::start(users)?) };
        Ok(Self { passwords, token: token_file.map(TokenFile::open).transpose()? })
    }

    /// The answer to a request that has these headers and may not read; `None` if it may.
    pub(super) async fn refusal(&self, headers: &HeaderMap) -> Option<Response<Body>> {
        if self.passwords.is_none() && self.token.is_none() {
            return None;
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
        let verdict = match (given, &self.passwords, &self.token) {
            (Some((scheme, rest)), Some(passwords), _) if scheme.eq_ignore_ascii_case("basic") => {
                match credentials(rest) {
                    Some((name, password)) => passwords.verify(name, password).await,
                    None => Verdict::Wrong,
                }
            }
            (Some((scheme, rest)), _, Some(token)) if scheme.eq_ignore_ascii_case("bearer") => {
                if token.is(rest.trim()) { Verdict::Right } else { Verdict::Wrong }
            }
            _ => Verdict::Wrong,
        };
        match verdict {
            Verdict::Right => None,
            Verdict::Wrong => Some(self.unauthorized()),
            Verdict::Busy => {
                const WHY: &str = "Too many passwords are being checked; ask again in a second.\n";
                let mut response = text(StatusCode::TOO_MANY_REQUESTS, WHY);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                Some(response)
            }
        }
    }

    fn unauthorized(&self) -> Response<Body> {
        let mut response = text(StatusCode::UNAUTHORIZED, "A password or a token is needed here.\n");
        let mut ask = |scheme| response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        if self.passwords.is_some() {
            ask("Basic realm=\"statsidecar\", charset=\"UTF-8\"");
        }
        if self.token.is_some() {
            ask("Bearer realm=\"statsidecar\"");
        }
        response
    }
}

/// The name and the password in Base64.
fn credentials(base64: &str) -> Option<(String, String)> {
    let text = String::from_utf8(Base64::decode_vec(base64.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
