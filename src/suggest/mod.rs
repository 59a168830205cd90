//! Rules proposed from lines: which parts of dotted names vary and therefore are labels, which type, unit and buckets fit.
//!
//! ```text
//! lines -> Observations: names with types, values, tags -> a trie of the dotted parts
//!       -> siblings that are one metric merged -> rules as TOML, with the evidence as comments
//! ```
//!
//! Nothing here decides what lines become: the proposal is a text for a person, who reads and changes it.

#![warn(clippy::indexing_slicing)]

mod buckets;
mod evidence;
mod naming;
mod observations;
mod pattern;
mod proposal;
mod token;
mod tree;
mod values;
mod words;

pub use observations::Observations;
pub use proposal::propose;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::load;
    use crate::mapping::Rules;

    #[test]
    fn names_without_an_end_are_bounded() {
        let mut observations = Observations::default();
        for n in 0..101_000_u32 {
            let id = n.wrapping_mul(2_654_435_761);
            observations.line(format!("a.b{}.c.d.e.f.g.{id:08x}.done:1|c", n % 100).as_bytes());
        }
        let text = propose(observations, "a test");
        assert!(text.contains("\n# 1000 lines had names for which there was no room"), "{text}");
        assert!(text.contains("\nmatch = \"a.b*.c.d.e.f.g.*.done\"\n"), "{text}");
        assert!(text.contains("\nlabels = { b = \"$1\" }\n"), "{text}");
        assert_eq!(text.matches("[[metric]]").count(), 1);
    }

    proptest! {
        #[test]
        fn prop_rules_for_any_lines_load_without_a_warning(
            lines in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..40),
                    "([a-zé_]{0,3}|worker|status|p99|[0-9]{1,6}|a-1|count|time_ms)(\\.([a-z\"'\\\\-]{0,2}|7|size|mb|errors|total)){0,4}:-?[0-9]{1,3}(\\.5)?\\|(c|g|ms|h|s|kv)(\\|#[a-z]:[a-f0-9]{8})?"
                        .prop_map(String::into_bytes),
                ],
                0..30,
            ),
        ) {
            let mut observations = Observations::default();
            lines.iter().for_each(|line| observations.line(line));
            let text = propose(observations, "a\u{1b}\nb");
            let (config, diagnostics) = load(&text);
            prop_assert_eq!(diagnostics, [], "{}", text);
            let (_, diagnostics) = Rules::compile(&config);
            prop_assert_eq!(diagnostics, [], "{}", text);
        }
    }
}
