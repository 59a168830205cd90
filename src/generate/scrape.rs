//! How Prometheus is told of the sidecar: a scrape job, or a `PodMonitor` for Kubernetes.

use super::yaml::scalar;
use crate::config::{Config, Endpoint, Http, HttpAddress};

/// A file for Prometheus with one scrape job. The error says why there can be none.
pub(crate) fn scrape_config(config: &Config, job: &str) -> Result<String, String> {
    let endpoint = endpoint(&config.http)?;
    let mut out = String::from(
        "# Made by `statsidecar generate prometheus`.\n\
         # The alert rules of `statsidecar generate alerts`, if they are in alerts.yml beside this file.\n\
         rule_files: [\"alerts.y*ml\"]\nscrape_configs:\n",
    );
    out.push_str(&format!("  - job_name: {}\n    scrape_interval: 15s\n    metrics_path: /metrics\n", scalar(job)));
    if config.http.tls.is_some() {
        out.push_str("    scheme: https\n    tls_config:\n");
        out.push_str("      # The certificate of the authority that signed [http] tls_cert.\n");
        out.push_str("      ca_file: /etc/prometheus/statsidecar-ca.pem\n");
    }
    match ScrapeLogin::of(&config.http) {
        ScrapeLogin::Token => {
            out.push_str("    authorization:\n      # A copy of [http] bearer_token_file.\n");
            out.push_str("      credentials_file: /etc/prometheus/statsidecar-token\n");
        }
        ScrapeLogin::Password(user) => {
            out.push_str(&format!("    basic_auth:\n      username: {}\n", scalar(user)));
            out.push_str("      # The password itself; [http] users has its hash.\n");
            out.push_str("      password_file: /etc/prometheus/statsidecar-password\n");
        }
        ScrapeLogin::Open => {}
    }
    out.push_str("    static_configs:\n");
    if let Some(remedy) = target_remedy(endpoint) {
        out.push_str(&format!("      # {remedy}\n"));
    }
    let target = match endpoint {
        Endpoint::Ip(socket) if socket.ip().is_unspecified() => format!("localhost:{}", socket.port()),
        other => other.to_string(),
    };
    out.push_str(&format!("      - targets: [{}]\n", scalar(&target)));
    Ok(out)
}

/// A `PodMonitor` of the Prometheus operator, for pods with the label `app: JOB`. The error says why there can be none.
pub(crate) fn pod_monitor(config: &Config, job: &str) -> Result<String, String> {
    let endpoint = endpoint(&config.http)?;
    if endpoint.ip().is_some_and(|socket| socket.ip().is_loopback()) {
        return Err(format!(
            "[http] listen is {endpoint}, which only the pod itself reaches; Prometheus needs it to be 0.0.0.0:{} \
             (then set bearer_token_file or users, because others reach it too)",
            endpoint.port()
        ));
    }
    let job = scalar(job);
    let mut out = format!(
        "# Made by `statsidecar generate prometheus --pod-monitor`. The container of the sidecar must name its port:\n\
         #   ports: [{{ name: statsidecar, containerPort: {} }}]\n\
         apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata:\n  name: {job}\nspec:\n  selector:\n    \
         matchLabels:\n      app: {job}\n  podMetricsEndpoints:\n    - port: statsidecar\n      path: /metrics\n      \
         interval: 15s\n",
        endpoint.port()
    );
    if config.http.tls.is_some() {
        out.push_str("      scheme: https\n      tlsConfig:\n");
        out.push_str("        ca: { secret: { name: statsidecar, key: ca.pem } }\n");
    }
    match ScrapeLogin::of(&config.http) {
        ScrapeLogin::Token => {
            out.push_str("      authorization:\n        credentials: { name: statsidecar, key: token }\n");
        }
        ScrapeLogin::Password(_) => {
            out.push_str("      basicAuth:\n        username: { name: statsidecar, key: username }\n");
            out.push_str("        password: { name: statsidecar, key: password }\n");
        }
        ScrapeLogin::Open => {}
    }
    Ok(out)
}

/// How a client proves who it is.
enum ScrapeLogin<'c> {
    Open,
    Token,
    /// The first user.
    Password(&'c str),
}

impl<'c> ScrapeLogin<'c> {
    fn of(http: &'c Http) -> Self {
        match (&http.bearer_token_file, http.users.first()) {
            (Some(_), _) => Self::Token,
            (None, Some((user, _))) => Self::Password(user.get_ref()),
            (None, None) => Self::Open,
        }
    }
}

fn endpoint(http: &Http) -> Result<&Endpoint, String> {
    match &http.listen {
        HttpAddress::Tcp(endpoint) if endpoint.port() == 0 => {
            Err("[http] listen has port 0, which is another port at each start; choose one".to_owned())
        }
        HttpAddress::Tcp(endpoint) => Ok(endpoint),
        HttpAddress::Unix(_) => {
            let listen = &http.listen;
            Err(format!("Prometheus scrapes no Unix sockets, and [http] listen is {listen}; give it an address"))
        }
    }
}

/// What must be changed in a target where Prometheus runs elsewhere.
fn target_remedy(endpoint: &Endpoint) -> Option<&'static str> {
    let ip = endpoint.ip()?.ip();
    if ip.is_unspecified() {
        Some("Write the name of the host in place of localhost if Prometheus runs on another host.")
    } else if ip.is_loopback() {
        Some("Only this host reaches it. For a Prometheus on another host, change [http] listen.")
    } else {
        None
    }
}
