//! The cases that other programs are known to read in another way: each has a row or a test that names it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// So that no row vanishes unseen: `(exporter N)` for each of 1 to 126, `(trap N)` for each of 1 to 16.
#[test]
fn each_has_a_row_or_a_test_that_names_it() {
    let mut named = BTreeSet::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for place in ["conformance", "convert", "relay.rs"] {
        sources(&tests.join(place)).iter().for_each(|source| named_in(source, &mut named));
    }
    for (kind, last) in [("exporter", 126), ("trap", 16)] {
        let missing: Vec<u32> = (1..=last).filter(|n| !named.contains(&(kind.to_owned(), *n))).collect();
        assert!(missing.is_empty(), "no row and no test names ({kind} N) for {missing:?}");
    }
}

/// The texts of a file, or of those in a folder, but for what this one and `main` have as examples; none where there is
/// nothing.
fn sources(path: &Path) -> Vec<String> {
    let is_example =
        |file: &Path| ["conformance/cases.rs", "conformance/main.rs"].iter().any(|end| file.ends_with(end));
    if let Ok(folder) = fs::read_dir(path) {
        return folder.flat_map(|file| sources(&file.expect("the folder can be read").path())).collect();
    }
    fs::read_to_string(path).into_iter().filter(|_| !is_example(path)).collect()
}

/// Adds what stands in `(exporter 1, 2, trap 3)`, in `120 to 123` all between; what comes after a `;` is no number.
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

#[test]
fn a_name_stands_for_its_numbers() {
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
