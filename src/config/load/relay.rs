//! `[[relay]]`: the targets that lines are forwarded to.
//!
//! `mapping` checks the globs, and whether two tables contradict each other, where it compiles them.

use super::syntax::{TomlSetting, TomlTable, tables};
use super::value::address;
use crate::config::address::Address;
use crate::config::reader::{spanned, text};
use crate::config::schema::{RelayConfig, RulePattern};

/// Every relay that can be read. A target must not be one of the listeners at `listen`.
pub(super) fn relays(setting: &TomlSetting<'_>, source: &str, listen: &[Address]) -> Option<Vec<RelayConfig>> {
    Some(tables(setting, "[[relay]]", source)?.into_iter().filter_map(|table| relay(table, listen)).collect())
}

fn relay(mut table: TomlTable<'_>, listen: &[Address]) -> Option<RelayConfig> {
    let target = table.read("target", spanned(|setting| target(setting, listen)));
    let pattern = table.read("match", spanned(text)).map(RulePattern::Glob);
    table.require("target", "say where the lines go, as in target = \"udp://10.0.0.5:8125\"");
    table.finish();
    Some(RelayConfig { target: target?, pattern })
}

/// An address to send to that does not lead back to this process.
fn target(setting: &TomlSetting<'_>, listen: &[Address]) -> Option<Address> {
    let target = address(setting)?;
    match &target {
        Address::Unix(_) | Address::UnixDogstatsd(_) => {
            return setting.fail(format!("{target} cannot be a target; use udp://, tcp:// or unixgram://"));
        }
        Address::Udp(to) | Address::Tcp(to) if to.port() == 0 || to.ip().is_some_and(|to| to.ip().is_unspecified()) => {
            return setting.fail(format!("nothing can be sent to {target}; write the address and the port of a host"));
        }
        _ => {}
    }
    match listen.iter().find(|listener| target.reaches(listener, &[])) {
        Some(listener) => setting.fail(format!(
            "{target} is the listener {listener} of this process, so its lines would loop forever; choose another \
             target"
        )),
        None => Some(target),
    }
}
