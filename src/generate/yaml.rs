//! Text as YAML.

/// The text as a scalar in double quotes, whatever it contains.
///
/// A string of JSON is one of YAML, apart from control characters that JSON lets pass.
pub(super) fn scalar(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for character in serde_json::Value::from(text).to_string().chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn text_of_any_kind_is_one_scalar() {
        assert_eq!(scalar("a: #b \"c\" \\ 'd'"), r#""a: #b \"c\" \\ 'd'""#);
        assert_eq!(scalar("\n\u{7f}\u{85}é\u{2028}"), r#""\n\u007f\u0085é\u2028""#);
    }
}
