//! Links between the guides.

use std::path::{Component, Path, PathBuf};

use crate::markdown::{Page, page, pages};

/// Every relative link names a file that exists, and every anchor a heading in it. The book's links stay in the book,
/// because mdBook publishes nothing else.
#[test]
fn no_link_is_broken() {
    let pages = pages();
    let mut found = 0;
    for page in &pages {
        for link in page.links().iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.path.clone(),
                _ => normal(&page.path.parent().unwrap().join(path)),
            };
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            assert!(root.join(&target).exists(), "{page}: the link {link} is broken");
            assert!(
                !page.path.starts_with("docs/src") || target.starts_with("docs/src"),
                "{page}: {link} leaves the book"
            );
            if !anchor.is_empty() {
                let anchors = pages.iter().find(|other| other.path == target).map(Page::anchors).unwrap_or_default();
                assert!(anchors.iter().any(|other| other == anchor), "{page}: {link} has no such heading: {anchors:?}");
            }
            found += 1;
        }
    }
    assert!(found >= 30, "only {found} links were found");
}

/// Every chapter is in the table of contents.
#[test]
fn the_book_has_every_chapter() {
    let summary = page("docs/src/SUMMARY.md");
    let listed: Vec<PathBuf> = summary.links().iter().map(|link| Path::new("docs/src").join(link)).collect();
    for page in pages().iter().filter(|page| page.path.starts_with("docs/src") && page.path != summary.path) {
        assert!(listed.contains(&page.path), "{page} is not in {summary}");
    }
    assert!(listed.len() >= 10, "{listed:?}");
}

/// The path without `..` and `.`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => assert!(normal.pop(), "{} leaves the repository", path.display()),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}
