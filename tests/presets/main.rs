//! Each preset reads what its program sends as the program means it.
//!
//! `tests/fixtures/captures` has what real programs sent. Each capture is played to the running program with its preset,
//! over a real socket. What a series must be is worked out from the capture by the few lines of `capture`, and not by the
//! code under test. Presets without a capture have lines that were written by hand.

// A test that panics has failed, which is all it should do.
#![allow(clippy::indexing_slicing)]

mod by_hand;
mod capture;
mod played;
#[path = "../support/mod.rs"]
mod support;

use statsidecar::config::{Config, Preset, load};
use statsidecar::mapping::Rules;

#[test]
fn presets_are_sorted_and_hold_nothing_but_good_rules() {
    assert!(Preset::ALL.is_sorted_by(|one, other| one.name < other.name));
    for preset in Preset::ALL {
        let (config, mut diagnostics) = load(preset.text);
        diagnostics.extend(Rules::compile(&config).1);
        assert_eq!(diagnostics, [], "{}", preset.name);
        let rules = config.metrics.clone();
        assert!(!rules.is_empty(), "{}", preset.name);
        assert_eq!(config, Config { metrics: rules, ..Config::default() }, "{} has rules only", preset.name);
        assert!(preset.about().ends_with('.') && preset.about().len() < 110, "{}: {}", preset.name, preset.about());
        for rule in config.metrics.iter().filter(|rule| !rule.drop) {
            assert!(rule.help.is_some(), "{}: {} has no help", preset.name, rule.pattern.text());
        }
    }
}

#[test]
fn every_preset_is_played() {
    let played = played::PRESETS.iter().map(|played| played.preset).chain(by_hand::PRESETS.iter().copied());
    let mut played: Vec<_> = played.collect();
    played.sort_unstable();
    played.dedup();
    assert_eq!(played, Preset::ALL.iter().map(|preset| preset.name).collect::<Vec<_>>());
}
