//! `[[relay]]`: who gets the lines too.
//!
//! Whether a glob makes sense, and whether two tables agree, is judged where they are compiled, not here.

use super::section::{Item, Section};
use super::value::{address, spanned, text};
use crate::config::{Address, RelayConfig, RulePattern};

/// Every relay in `source` that can be made out, beside listeners at `listen`.
pub(super) fn relays(item: Item<'_>, source: &str, listen: &[Address]) -> Option<Vec<RelayConfig>> {
    let tables = item.tables("a relay", "[[relay]]", source)?;
    Some(tables.into_iter().filter_map(|(section, end)| relay(section, end, listen)).collect())
}

/// The relay in `section`, whose lines end at `end`.
fn relay(mut section: Section<'_>, end: usize, listen: &[Address]) -> Option<RelayConfig> {
    let target = section.read("target", spanned(|item| target(&item, listen)));
    let pattern = section.read("match", spanned(text)).map(RulePattern::Glob);
    section.require("target", end, "say where the lines go, as in target = \"udp://10.0.0.5:8125\"");
    section.finish();
    Some(RelayConfig { target: target?, pattern })
}

/// Where lines can be sent to without coming back.
fn target(item: &Item<'_>, listen: &[Address]) -> Option<Address> {
    let target = address(item)?;
    match &target {
        Address::Unix(_) | Address::UnixDogstatsd(_) => {
            return item.fail(format!("{target} cannot be a target; use udp://, tcp:// or unixgram://"));
        }
        Address::Udp(socket) | Address::Tcp(socket) if socket.ip().is_unspecified() || socket.port() == 0 => {
            return item.fail(format!("{target} is no place to send to; write the address and the port of a host"));
        }
        _ => {}
    }
    match listen.iter().find(|listener| target.reaches(listener, &[])) {
        Some(listener) => item.fail(format!(
            "{target} is this program's own listener {listener}, and its lines would go round for ever; choose another \
             target"
        )),
        None => Some(target),
    }
}
