//! `statsidecar presets`: lists the presets, or prints one.

use std::process::ExitCode;

use clap::Args;

use super::output::{WRONG, fail, print};
use crate::config::Preset;

/// List the presets, which are rules for programs that speak StatsD, or print one to copy and change it
#[derive(Args, Debug)]
pub(super) struct Presets {
    /// The preset to print
    name: Option<String>,
}

impl Presets {
    pub(super) fn run(self) -> ExitCode {
        let text = match self.name.as_deref().map(|name| (name, Preset::find(name))) {
            None => Preset::ALL.iter().map(|preset| format!("{:<16}{}\n", preset.name, preset.about())).collect(),
            Some((_, Some(preset))) => preset.text.to_owned(),
            Some((name, None)) => {
                return fail(&format!("there is no preset {name:?}; `statsidecar presets` lists them\n"), WRONG);
            }
        };
        print(&text).err().unwrap_or(ExitCode::SUCCESS)
    }
}
