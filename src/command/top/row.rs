//! The rows of the tables: what of a status is shown, in which order.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::status::{LineStatus, NameStatus, Status};

/// By what names are sorted, most first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SortKey {
    #[default]
    Rate,
    Series,
    Rejects,
}

/// A name: of a metric, or of lines that did not become one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct NameRow<'s> {
    pub(super) name: &'s str,
    pub(super) is_metric: bool,
    /// Lines a second; none if the name is not among the busiest.
    pub(super) per_second: Option<f64>,
    /// Lines since the start; none likewise.
    pub(super) lines: Option<u64>,
    /// Series; none if there are none, or too few for the list.
    pub(super) series: Option<u64>,
    /// Samples rejected because of a limit or a conflict, at most.
    pub(super) rejects: u64,
}

/// A reason for which samples are rejected.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReasonRow<'s> {
    pub(super) reason: &'s str,
    pub(super) samples: u64,
    pub(super) remedy: &'s str,
    /// The newest line, if lines are quoted.
    pub(super) newest: Option<&'s LineStatus>,
}

/// The busiest names, the metrics with the most series, and the names that hit a limit or a conflict; only those that
/// contain `filter` in any case.
pub(super) fn names<'s>(status: &'s Status, sort: SortKey, filter: &str) -> Vec<NameRow<'s>> {
    let mut rows: HashMap<&str, NameRow<'s>> = HashMap::new();
    let mut row_of = |name: &'s str, change: &dyn Fn(&mut NameRow<'s>)| {
        change(rows.entry(name).or_insert_with(|| NameRow { name, ..NameRow::default() }));
    };
    for NameStatus { name, is_metric, lines, per_second, .. } in &status.names.busiest {
        row_of(name, &|row| {
            (row.is_metric, row.lines, row.per_second) = (*is_metric, Some(*lines), Some(*per_second));
        });
    }
    for family in &status.families.largest {
        row_of(&family.name, &|row| (row.is_metric, row.series) = (true, Some(family.series)));
    }
    for hitter in status.conflicts.iter().chain(&status.over_limit) {
        row_of(&hitter.name, &|row| row.rejects = row.rejects.saturating_add(hitter.samples));
    }
    let mut rows: Vec<NameRow<'s>> = rows.into_values().filter(|row| contains(row.name, filter)).collect();
    let rate = |row: &NameRow<'_>| Reverse((row.per_second.unwrap_or(-1.0) * 1000.0) as i64);
    let series = |row: &NameRow<'_>| Reverse(row.series);
    let rejects = |row: &NameRow<'_>| Reverse(row.rejects);
    // What is equal in everything else is in the order of the alphabet, so that rows keep their places.
    match sort {
        SortKey::Rate => rows.sort_by_key(|row| (rate(row), Reverse(row.lines), series(row), row.name)),
        SortKey::Series => rows.sort_by_key(|row| (series(row), rate(row), row.name)),
        SortKey::Rejects => rows.sort_by_key(|row| (rejects(row), rate(row), series(row), row.name)),
    }
    rows
}

/// The reasons that occurred, most samples first; only those that contain `filter` in their word or their newest line.
pub(super) fn reasons<'s>(status: &'s Status, filter: &str) -> Vec<ReasonRow<'s>> {
    let rows = status.rejects.iter().map(|reject| ReasonRow {
        reason: &reject.reason,
        samples: reject.samples,
        remedy: &reject.remedy,
        newest: reject.lines.first().filter(|line| !line.text.is_empty()),
    });
    let is_shown = |row: &ReasonRow<'_>| {
        contains(row.reason, filter) || row.newest.is_some_and(|line| contains(&line.text, filter))
    };
    let mut rows: Vec<ReasonRow<'s>> = rows.filter(is_shown).collect();
    rows.sort_by_key(|row| (Reverse(row.samples), row.reason));
    rows
}

fn contains(text: &str, filter: &str) -> bool {
    filter.is_empty() || text.to_lowercase().contains(&filter.to_lowercase())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::status::{FamilyStatus, HitterStatus, RejectStatus};

    /// A name whose lines are all its own.
    pub(crate) fn name(name: &str, is_metric: bool, lines: u64, per_second: f64) -> NameStatus {
        NameStatus { name: name.to_owned(), is_metric, lines, others: 0, per_second }
    }

    fn status() -> Status {
        let family =
            |name: &str, series| FamilyStatus { name: name.to_owned(), metric_type: "counter".to_owned(), series };
        let hitter =
            |name: &str, samples| HitterStatus { name: name.to_owned(), reason: String::new(), samples, others: 0 };
        let reject = |reason: &str, samples, text: &str| RejectStatus {
            reason: reason.to_owned(),
            samples,
            remedy: String::new(),
            lines: vec![LineStatus { text: text.to_owned(), ..LineStatus::default() }],
        };
        let mut status = Status::default();
        status.names.busiest =
            vec![name("quiet", false, 900, 0.0), name("hits_total", true, 50, 2.5), name("Size", true, 70, 9.0)];
        status.families.largest = vec![family("idle", 7), family("hits_total", 3)];
        status.conflicts = vec![hitter("quiet", 5)];
        status.over_limit = vec![hitter("hits_total", 4), hitter("hits_total", 2), hitter("gone", 1)];
        status.rejects = vec![reject("bad_value", 1, "a:x|c"), reject("malformed_line", 2, "")];
        status
    }

    #[test]
    fn a_row_has_what_three_lists_know_of_a_name() {
        let status = status();
        let all = names(&status, SortKey::Rate, "HITS");
        let hits = NameRow {
            name: "hits_total",
            is_metric: true,
            per_second: Some(2.5),
            lines: Some(50),
            series: Some(3),
            rejects: 6,
        };
        assert_eq!(all, [hits]);
    }

    #[test]
    fn names_are_sorted_by_each_key() {
        let status = status();
        let sorted = |key| names(&status, key, "").iter().map(|row| row.name).collect::<Vec<_>>();
        assert_eq!(sorted(SortKey::Rate), ["Size", "hits_total", "quiet", "idle", "gone"]);
        assert_eq!(sorted(SortKey::Series), ["idle", "hits_total", "Size", "quiet", "gone"]);
        assert_eq!(sorted(SortKey::Rejects), ["hits_total", "quiet", "gone", "Size", "idle"]);
    }

    #[test]
    fn reasons_are_found_by_their_word_and_their_newest_line() {
        let status = status();
        let found = |filter| reasons(&status, filter).iter().map(|row| row.reason).collect::<Vec<_>>();
        assert_eq!(found(""), ["malformed_line", "bad_value"]);
        assert_eq!(found("A:X"), ["bad_value"]);
        assert_eq!(found("line"), ["malformed_line"]);
        assert_eq!(reasons(&status, "line")[0].newest, None, "a line that was not kept");
    }
}
