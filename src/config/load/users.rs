//! `[http] users`: names with the hashes of passwords.
//!
//! Source of the format: <https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md>.

use argon2::{Algorithm, Params, PasswordHash};

use super::syntax::TomlSetting;
use crate::config::reader::{pairs, spanned, text};
use crate::config::schema::Labels;

/// The most memory that the check of one password may take, in KiB.
const MOST_MEMORY: u32 = 64 << 10;

/// Names with the hashes of passwords.
pub(super) fn users(setting: &TomlSetting<'_>) -> Option<Labels> {
    const RIGHT: &str = "a table such as { prometheus = \"$argon2id$v=19$m=19456,t=2,p=1$...\" }";
    pairs(setting, RIGHT, "user", bad_name, spanned(password_hash))
}

/// Why a client cannot send `name`, if it cannot.
fn bad_name(name: &str) -> Option<String> {
    let is_bad = name.is_empty() || name.contains(|c: char| c == ':' || c.is_control());
    is_bad.then(|| "the name of a user is empty or has a : or a control character; choose another name".to_owned())
}

/// The messages do not repeat the hash, because who may see them may not be who may know it.
fn password_hash(setting: &TomlSetting<'_>) -> Option<String> {
    const REMEDY: &str = "make it with: argon2 \"$(openssl rand -hex 8)\" -id -e";
    let hash = text(setting)?;
    let wrong = |why: &str| setting.fail(format!("the password of {} {why}; {REMEDY}", setting.name));
    let Ok(parsed) = PasswordHash::new(&hash) else { return wrong("is not a PHC string of argon2") };
    let params = Params::try_from(&parsed);
    match (Algorithm::try_from(parsed.algorithm.as_str()), params) {
        (Ok(_), Ok(params)) if parsed.hash.is_some() && parsed.salt.is_some() => {
            if params.m_cost() > MOST_MEMORY {
                return wrong("takes more than 64 MiB to check (m)");
            }
            Some(hash)
        }
        _ => wrong("is not a PHC string of argon2"),
    }
}
