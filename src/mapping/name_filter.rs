//! Whether a name matches a glob that does not come from a config file.

use toml::Spanned;

use super::pattern::NamePattern;
use crate::config::RulePattern;

/// A glob, as in `match`.
#[derive(Clone, Debug)]
pub struct NameFilter(NamePattern);

impl NameFilter {
    /// Compiles a glob. The error says how to correct it.
    pub fn new(glob: &str) -> Result<Self, String> {
        NamePattern::new(&RulePattern::Glob(Spanned::new(0..glob.len(), glob.to_owned()))).map(Self)
    }

    /// Whether `name`, which has no tags in it, matches.
    pub fn takes(&self, name: &str) -> bool {
        self.0.captures(name).is_some()
    }
}
