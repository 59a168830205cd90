//! Every case that other programs are known to read in another way must have a row or a test with its number.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    let passes = |check: fn()| {
        move || {
            check();
            Ok(())
        }
    };
    vec![
        Trial::test(
            "cases::each_has_a_row_or_a_test_with_its_number",
            passes(each_has_a_row_or_a_test_with_its_number),
        ),
        Trial::test("cases::a_name_gives_its_numbers", passes(a_name_gives_its_numbers)),
    ]
}

/// `(exporter N)` must be there for each N from 1 to 126, and `(trap N)` from 1 to 16, so that no row gets lost unnoticed.
fn each_has_a_row_or_a_test_with_its_number() {
    let mut named = BTreeSet::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for place in ["cli", "conformance", "convert", "daemon", "relay"] {
        sources(&tests.join(place)).iter().for_each(|source| named_in(source, &mut named));
    }
    for (kind, last) in [("exporter", 126), ("trap", 16)] {
        let missing: Vec<u32> = (1..=last).filter(|n| !named.contains(&(kind.to_owned(), *n))).collect();
        assert!(missing.is_empty(), "no row and no test has ({kind} N) for {missing:?}");
    }
}

/// The texts of a file, or of all files in a folder; none where the path does not exist. This file and `main.rs` are
/// left out, because they have examples.
fn sources(path: &Path) -> Vec<String> {
    let is_example =
        |file: &Path| ["conformance/cases.rs", "conformance/main.rs"].iter().any(|end| file.ends_with(end));
    if let Ok(folder) = fs::read_dir(path) {
        return folder.flat_map(|file| sources(&file.expect("the folder can be read").path())).collect();
    }
    fs::read_to_string(path).into_iter().filter(|_| !is_example(path)).collect()
}

/// Adds the numbers in `(exporter 1, 2, trap 3)`. `120 to 123` is a range, and text behind a `;` is ignored.
fn named_in(source: &str, named: &mut BTreeSet<(String, u32)>) {
    for group in source.split('(').skip(1) {
        let group = group.split([')', ';']).next().unwrap_or_default();
        let mut words = group.split([' ', ',', '\n']).filter(|word| !word.is_empty() && *word != "///").peekable();
        if !words.peek().is_some_and(|word| ["exporter", "trap"].contains(word)) {
            continue;
        }
        let (mut kind, mut last, mut is_range) = ("", 0, false);
        for word in words {
            match word.parse::<u32>() {
                Ok(number) => {
                    let first = if is_range { last } else { number };
                    named.extend((first..=number).map(|n| (kind.to_owned(), n)));
                    (last, is_range) = (number, false);
                }
                Err(_) if word == "to" => is_range = true,
                Err(_) => kind = word,
            }
        }
    }
}

fn a_name_gives_its_numbers() {
    let of = |source: &str| {
        let mut named = BTreeSet::new();
        named_in(source, &mut named);
        named.into_iter().map(|(kind, n)| format!("{kind} {n}")).collect::<Vec<_>>()
    };
    assert_eq!(of("== x (y) (exporter 9, 30, trap 1)\n"), ["exporter 9", "exporter 30", "trap 1"]);
    assert_eq!(
        of("/// (exporter 5,\n/// 7 to 9; there, 0 wins)"),
        ["exporter 5", "exporter 7", "exporter 8", "exporter 9"]
    );
    assert_eq!(of("f(3), (trap: 4), exporter 5"), [""; 0]);
}
