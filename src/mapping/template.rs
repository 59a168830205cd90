//! Texts with `$1` in them, for names and label values.

/// A compiled template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    /// What a `*` took; 0 is the whole name.
    Capture(usize),
}

impl Template {
    /// Compiles `text`, in which `$1` and `${1}` stand for the first of `captures` texts, `$0` for the whole name and
    /// `$$` for a dollar sign. The error says what would be right.
    pub fn new(text: &str, captures: usize) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            push_text(&mut pieces, before);
            if let Some(after) = after.strip_prefix('$') {
                push_text(&mut pieces, "$");
                rest = after;
                continue;
            }
            let (number, after) = reference(after).ok_or_else(|| {
                format!("in {text:?}, a $ needs a number behind it: $1 or ${{1}}; for the sign itself write $$")
            })?;
            match number.parse() {
                Ok(number) if number <= captures => pieces.push(Piece::Capture(number)),
                _ => {
                    return Err(format!(
                        "in {text:?}, ${number} has nothing to stand for: the match captures {captures}"
                    ));
                }
            }
            rest = after;
        }
        push_text(&mut pieces, rest);
        Ok(Self(pieces))
    }

    /// Whether it is the same text for every match.
    pub fn is_literal(&self) -> bool {
        !self.0.iter().any(|piece| matches!(piece, Piece::Capture(_)))
    }

    /// The text for one match; `captures` begins with the whole name.
    pub fn expand(&self, captures: &[&str]) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Capture(number) => captures.get(*number).copied().unwrap_or_default(),
            })
            .collect()
    }
}

/// Adds literal text, to the piece before it where that is text too.
fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// The number of a reference whose `$` was read, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (number, after) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => text.split_at(text.bytes().take_while(u8::is_ascii_digit).count()),
    };
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some((number, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_expand() {
        let captures = ["a.b.c", "b", "c"];
        for (template, expected) in [
            ("x", "x"),
            ("$1", "b"),
            ("${1}_x", "b_x"),
            ("$1_x", "b_x"),
            ("$1$2", "bc"),
            ("$0", "a.b.c"),
            ("100%$$", "100%$"),
            ("", ""),
        ] {
            let compiled = Template::new(template, 2).unwrap();
            assert_eq!(compiled.expand(&captures), expected, "{template}");
            assert_eq!(compiled.is_literal(), template.replace("$$", "").find('$').is_none(), "{template}");
        }
    }

    #[test]
    fn bad_templates() {
        for bad in ["$", "$x", "${1", "${}", "${x}", "$3", "$99999999999999999999", "${-1}"] {
            assert!(Template::new(bad, 2).is_err(), "{bad}");
        }
    }
}
