//! `[[otlp]]` and `[[remote_write]]`: the receivers that metrics are pushed to.

use std::time::Duration;

use toml::Spanned;

use super::environment::Variable;
use super::syntax::{TomlSetting, TomlTable, tables};
use super::value::{constant_labels, duration, parsed, size};
use crate::config::diagnostic::quoted;
use crate::config::push::{
    BasicAuth, OtlpConfig, PushConfig, PushPairs, PushPassword, PushTls, PushUrl, RemoteWriteConfig,
};
use crate::config::reader::{pairs, spanned, text, text_not_empty, word};

/// Every `[[otlp]]` that can be read. A table without a `url` takes the variables of the OpenTelemetry SDKs.
pub(super) fn otlps(setting: &TomlSetting<'_>, source: &str, variable: &Variable<'_>) -> Option<Vec<OtlpConfig>> {
    let mut known = Vec::new();
    let tables = tables(setting, "[[otlp]]", source)?;
    Some(tables.into_iter().filter_map(|table| otlp(table, variable, &mut known)).collect())
}

/// Every `[[remote_write]]` that can be read.
pub(super) fn remote_writes(setting: &TomlSetting<'_>, source: &str) -> Option<Vec<RemoteWriteConfig>> {
    let mut known = Vec::new();
    let tables = tables(setting, "[[remote_write]]", source)?;
    Some(tables.into_iter().filter_map(|table| remote_write(table, &mut known)).collect())
}

fn otlp(mut table: TomlTable<'_>, variable: &Variable<'_>, known: &mut Vec<PushUrl>) -> Option<OtlpConfig> {
    let url = table.read("url", |setting| url(setting, known));
    let of_environment = if table.has("url") { None } else { super::otel::otlp(variable) };
    match of_environment.as_ref() {
        Some(Err(why)) => table.require("url", &format!("{why}, or name a URL")),
        Some(Ok(_)) => {}
        None => table.require(
            "url",
            "say where metrics go, as in url = \"http://127.0.0.1:4318/v1/metrics\", or set OTEL_EXPORTER_OTLP_ENDPOINT",
        ),
    }
    let found = match of_environment {
        Some(Ok(otlp)) => Some(otlp),
        _ => url.map(OtlpConfig::new),
    };
    // What is wrong with the rest of the table is reported without a URL too.
    let is_complete = found.is_some();
    let mut otlp = found.unwrap_or_else(|| OtlpConfig::new(PushUrl::default()));
    receiver(&mut table, &mut otlp.to);
    table.set("compression", &mut otlp.compression, word);
    table.set("resource", &mut otlp.resource, attributes);
    table.finish();
    for (name, value) in super::otel::resource(variable) {
        if !otlp.resource.iter().any(|(own, _)| *own.get_ref() == name) {
            otlp.resource.push((Spanned::new(0..0, name), Spanned::new(0..0, value)));
        }
    }
    is_complete.then_some(otlp)
}

fn remote_write(mut table: TomlTable<'_>, known: &mut Vec<PushUrl>) -> Option<RemoteWriteConfig> {
    let url = table.read("url", |setting| url(setting, known));
    table.require("url", "say where samples go, as in url = \"http://127.0.0.1:9090/api/v1/write\"");
    let is_complete = url.is_some();
    let mut to = PushConfig::new(url.unwrap_or_default());
    receiver(&mut table, &mut to);
    let labels = table.read("labels", constant_labels).unwrap_or_default();
    table.finish();
    is_complete.then_some(RemoteWriteConfig { to, labels })
}

/// The keys that both have.
fn receiver(table: &mut TomlTable<'_>, to: &mut PushConfig) {
    let queue = size(64 << 10..=1 << 30, "a size from \"64KiB\" to \"1GiB\"");
    table.set("interval", &mut to.interval, |setting| at_least_a_second(setting, "1s"));
    table.set("timeout", &mut to.timeout, |setting| at_least_a_second(setting, "10s"));
    table.set("queue", &mut to.queue, queue);
    table.set("headers", &mut to.headers, headers);
    to.basic_auth = table.read("basic_auth", basic_auth).or(to.basic_auth.take());
    to.bearer_token_file = table.read("bearer_token_file", text_not_empty).or(to.bearer_token_file.take());
    table.set("tls", &mut to.tls, tls);
    if to.basic_auth.is_some() && to.bearer_token_file.is_some() {
        table.forbid("bearer_token_file", "is a second way to log in beside \"basic_auth\"; keep one");
    }
}

/// A URL that no other table of the kind has: the counters of each target have its name.
fn url(setting: &TomlSetting<'_>, known: &mut Vec<PushUrl>) -> Option<PushUrl> {
    let url: PushUrl = parsed(setting, "a URL such as \"http://127.0.0.1:9090/api/v1/write\"", str::parse)?;
    if known.iter().any(|other| other.to_string() == url.to_string()) {
        return setting.fail(format!("{url} is the receiver of another table; keep one of them"));
    }
    known.push(url.clone());
    Some(url)
}

/// A duration from a second to an hour.
fn at_least_a_second(setting: &TomlSetting<'_>, example: &str) -> Option<Duration> {
    let duration = duration(setting)?;
    if (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&duration) {
        return Some(duration);
    }
    setting.must_be(&format!("a duration from \"1s\" to \"1h\", such as {example:?}"))
}

/// Headers of requests, without those that every request has.
fn headers(setting: &TomlSetting<'_>) -> Option<PushPairs> {
    const OWN: [&str; 7] = [
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-prometheus-remote-write-version",
    ];
    let bad = |name: &str| {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Some(format!("{} is no name of a header", quoted(name)));
        }
        match name.to_ascii_lowercase().as_str() {
            "authorization" => Some("log in with basic_auth or bearer_token_file".to_owned()),
            own if OWN.contains(&own) => Some(format!("every request has {own} already; leave it out")),
            _ => None,
        }
    };
    let value = |setting: &TomlSetting<'_>| {
        let value = text(setting)?;
        if value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b)) {
            return Some(value);
        }
        // It may be a secret, so the message does not repeat it.
        setting.fail(format!("the value of {} has a character that no header has", setting.name))
    };
    pairs(setting, "a table such as { \"X-Scope-OrgID\" = \"team\" }", "header", bad, spanned(value))
}

/// Attributes of a resource; a name is any text.
fn attributes(setting: &TomlSetting<'_>) -> Option<PushPairs> {
    let bad = |name: &str| name.is_empty().then(|| "the name of an attribute is empty; give it one".to_owned());
    pairs(setting, "a table such as { \"service.name\" = \"shop\" }", "attribute", bad, spanned(text))
}

fn basic_auth(setting: &TomlSetting<'_>) -> Option<BasicAuth> {
    let right = "a table such as { username = \"shop\", password_file = \"/etc/statsidecar/password\" }";
    let mut table = setting.table("in basic_auth", right)?;
    let username = table.read("username", text_not_empty);
    let password = table.read("password", text);
    let file = table.read("password_file", text_not_empty);
    table.require("username", "name the user");
    let password = match (password, file) {
        (Some(_), Some(_)) => {
            table.forbid("password_file", "is a second password; keep one");
            None
        }
        (Some(password), None) => Some(PushPassword::Text(password)),
        (None, Some(file)) => Some(PushPassword::File(file)),
        (None, None) => {
            if !table.has("password") {
                table.require("password_file", "name the file of the password");
            }
            None
        }
    };
    table.finish();
    Some(BasicAuth { username: username?, password: password? })
}

fn tls(setting: &TomlSetting<'_>) -> Option<PushTls> {
    let mut table = setting.table("in tls", "a table such as { ca = \"/etc/statsidecar/ca.pem\" }")?;
    let ca = table.read("ca", text_not_empty);
    let files = [table.read("cert", text_not_empty), table.read("key", text_not_empty)];
    if table.has("cert") != table.has("key") {
        table.require("cert", "name the file of the certificate that `key` belongs to");
        table.require("key", "name the file of the key that `cert` belongs to");
    }
    table.finish();
    let client = match files {
        [Some(certificate), Some(key)] => Some((certificate, key)),
        _ => None,
    };
    Some(PushTls { ca, client })
}
