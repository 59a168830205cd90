//! Presets: rules for programs that speak StatsD, which come with the binary.

/// The rules for the lines of one program.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name in `presets` and on the command line.
    pub name: &'static str,
    /// Its config file. The first line is a comment that says what it is for.
    pub text: &'static str,
}

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(Preset { name: $name, text: include_str!(concat!("../presets/", $name, ".toml")) }),*]
    };
}

impl Preset {
    /// Every preset, in the order of the names.
    pub const ALL: &[Self] = presets![
        "airflow",
        "airflow-tags",
        "consul",
        "ddtrace",
        "envoy",
        "envoy-dog",
        "express-statsd",
        "flink",
        "glances",
        "gunicorn",
        "hadoop",
        "hypercorn",
        "kamailio",
        "kinto",
        "luigi",
        "mediawiki",
        "moleculer",
        "mtail",
        "proftpd",
        "prosody",
        "sozu",
        "spark",
        "swift",
        "uwsgi",
    ];

    /// The preset of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|preset| preset.name == name)
    }

    /// What it is for, in one line.
    pub fn about(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }
}
