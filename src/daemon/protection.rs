//! Who may read what of the HTTP server, as the config says.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::Error;
use super::push_targets;
use crate::config::{Config, Http, TlsFiles};
use crate::http::{self, Protection};

/// The protection of a config. What has not changed in `[http]` stays as it was: so passwords that were checked are not
/// checked again.
pub(super) fn of(
    config: &Config,
    addresses: &[SocketAddr],
    before: Option<(&Http, Protection)>,
) -> Result<Protection, Error> {
    let new = &config.http;
    let access_of = |http: &Http| (http.users.clone(), http.bearer_token_file.clone());
    let known_access = before.as_ref().filter(|(old, _)| access_of(old) == access_of(new));
    let known_tls = before.as_ref().filter(|(old, _)| old.tls == new.tls);
    Ok(Protection {
        access: match known_access {
            Some((_, known)) => Arc::clone(&known.access),
            None => Arc::new(access(config)?),
        },
        admin: admin(config, addresses),
        tls: match known_tls {
            Some((_, known)) => known.tls.clone(),
            None => tls(config)?.map(Arc::new),
        },
    })
}

/// Reads the files that `[http]` and the receivers name, as the start does; an error says what is wrong with them.
pub(crate) fn check_files(config: &Config) -> Result<(), Error> {
    access(config)?;
    tls(config)?;
    push_targets::of(config, &[])?;
    Ok(())
}

/// Who may read the metrics.
fn access(config: &Config) -> Result<http::Access, Error> {
    let users = config.http.users.iter().map(|(name, hash)| (name.get_ref().clone(), hash.get_ref().clone()));
    let token_file = config.http.bearer_token_file.as_ref().map(PathBuf::from);
    http::Access::new(users.collect(), token_file).map_err(|error| Error::System("protect /metrics", error))
}

/// Who gets the text of clients from a server at these addresses.
fn admin(config: &Config, addresses: &[SocketAddr]) -> http::Admin {
    let is_protected = !config.http.users.is_empty() || config.http.bearer_token_file.is_some();
    http::Admin::new(config.http.admin, is_protected, addresses)
}

/// The certificate of the config and its key.
fn tls(config: &Config) -> Result<Option<http::Tls>, Error> {
    let open = |files: &TlsFiles| http::Tls::open(PathBuf::from(&files.certificate), PathBuf::from(&files.key));
    config.http.tls.as_ref().map(open).transpose().map_err(|error| Error::System("serve /metrics by TLS", error))
}
