//! The environment variables of the OpenTelemetry SDKs, for a `[[otlp]]` without a `url`.
//!
//! Sources: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>,
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use toml::Spanned;

use super::environment::Variable;
use crate::config::push::{OtlpConfig, PushCompression, PushPairs, PushTls};

/// What the variables say of a receiver; `None` if none of them names one. The error says which is wrong.
pub(super) fn otlp(variable: &Variable<'_>) -> Option<Result<OtlpConfig, String>> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty()).map(|value| value.trim().to_owned());
    // A variable for metrics alone wins over the one for all signals.
    let either = |name: &str| {
        let names = [format!("OTEL_EXPORTER_OTLP_METRICS_{name}"), format!("OTEL_EXPORTER_OTLP_{name}")];
        names.into_iter().find_map(|name| Some((set(&name)?, name)))
    };
    let (url, name) = match set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") {
        Some(url) => (url, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
        None => {
            let base = set("OTEL_EXPORTER_OTLP_ENDPOINT")?;
            (format!("{}/v1/metrics", base.trim_end_matches('/')), "OTEL_EXPORTER_OTLP_ENDPOINT")
        }
    };
    let read = || {
        let url = url.parse().map_err(|why: String| format!("{name} is no URL: {why}"))?;
        let mut otlp = OtlpConfig::new(url);
        if let Some((protocol, name)) = either("PROTOCOL").filter(|(protocol, _)| protocol != "http/protobuf") {
            return Err(format!("{name} is {protocol:?}, and only \"http/protobuf\" is spoken; set it so"));
        }
        if let Some((headers, name)) = either("HEADERS") {
            otlp.to.headers = list(&headers).ok_or_else(|| format!("{name} must be a list such as a=b,c=d"))?;
        }
        if let Some((compression, name)) = either("COMPRESSION") {
            otlp.compression = match compression.as_str() {
                "gzip" => PushCompression::Gzip,
                "none" => PushCompression::None,
                _ => return Err(format!("{name} must be gzip or none")),
            };
        }
        otlp.to.timeout = milliseconds(either("TIMEOUT"))?.unwrap_or(otlp.to.timeout);
        let interval =
            set("OTEL_METRIC_EXPORT_INTERVAL").map(|value| (value, "OTEL_METRIC_EXPORT_INTERVAL".to_owned()));
        otlp.to.interval = milliseconds(interval)?.unwrap_or(otlp.to.interval);
        let file = |name| either(name).map(|(file, _)| file);
        otlp.to.tls = PushTls { ca: file("CERTIFICATE"), client: file("CLIENT_CERTIFICATE").zip(file("CLIENT_KEY")) };
        Ok(otlp)
    };
    Some(read())
}

/// The attributes of the resource that the variables name.
pub(super) fn resource(variable: &Variable<'_>) -> Vec<(String, String)> {
    let service = variable("OTEL_SERVICE_NAME").filter(|name| !name.is_empty());
    let service = service.map(|name| ("service.name".to_owned(), name));
    let others = variable("OTEL_RESOURCE_ATTRIBUTES").and_then(|attributes| list(&attributes)).unwrap_or_default();
    let others = others.into_iter().map(|(name, value)| (name.into_inner(), value.into_inner()));
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in service.into_iter().chain(others) {
        if !all.iter().any(|(known, _)| *known == name) {
            all.push((name, value));
        }
    }
    all
}

/// `a=b,c=d` with `%20` for a blank; `None` if it is not such a list.
fn list(text: &str) -> Option<PushPairs> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let decoded = |text: &str| Some(percent_decode_str(text.trim()).decode_utf8().ok()?.into_owned());
        let name = decoded(name).filter(|name| !name.is_empty())?;
        Some((Spanned::new(0..0, name), Spanned::new(0..0, decoded(value)?)))
    });
    pairs.collect()
}

/// A number of milliseconds, at least a second: `interval` and `timeout` take no less.
fn milliseconds(variable: Option<(String, String)>) -> Result<Option<Duration>, String> {
    let Some((value, name)) = variable else { return Ok(None) };
    let number: Option<u32> = value.parse().ok();
    let number = number.ok_or_else(|| format!("{name} must be a number of milliseconds"))?;
    Ok(Some(Duration::from_millis(u64::from(number).max(1000))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Option<Result<OtlpConfig, String>> {
        otlp(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_variables_of_metrics_win_over_those_of_all_signals() {
        let url = |variables: &[(&str, &str)]| with(variables).unwrap().unwrap().to.url.to_string();
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318/");
        assert_eq!(url(&[base]), "http://a:4318/v1/metrics");
        assert_eq!(url(&[base, ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://b/x")]), "https://b/x");
        let headers = [("OTEL_EXPORTER_OTLP_HEADERS", "a=1"), ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "b=2%203, c=d=e")];
        let otlp = with(&[&[base][..], &headers].concat()).unwrap().unwrap();
        let headers: Vec<_> =
            otlp.to.headers.iter().map(|(n, v)| (n.get_ref().as_str(), v.get_ref().as_str())).collect();
        assert_eq!(headers, [("b", "2 3"), ("c", "d=e")]);
        assert_eq!(with(&[("OTEL_EXPORTER_OTLP_HEADERS", "a=1")]), None);
    }

    #[test]
    fn what_cannot_be_done_is_an_error() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4317");
        for wrong in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ] {
            let error = with(&[base, wrong]).unwrap().unwrap_err();
            assert!(error.contains(wrong.0), "{error}");
        }
        let right = with(&[
            base,
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
        ]);
        assert_eq!(right.unwrap().unwrap().to.timeout, Duration::from_millis(2500));
    }

    #[test]
    fn the_name_of_the_service_wins_over_its_attribute() {
        let variables = |name: &str| match name {
            "OTEL_SERVICE_NAME" => Some("shop".to_owned()),
            "OTEL_RESOURCE_ATTRIBUTES" => Some("service.name=other,host.name=a%20b".to_owned()),
            _ => None,
        };
        let expected = [("service.name", "shop"), ("host.name", "a b")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(resource(&variables), expected);
    }
}
