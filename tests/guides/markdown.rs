//! As much of Markdown as the guides use: fenced blocks that begin at the edge, headings with `#`, and inline links.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A guide.
#[derive(Debug)]
pub struct Page {
    /// Its path in the repository.
    pub path: PathBuf,
    pub text: String,
}

/// A fenced block.
#[derive(Clone, Copy, Debug)]
pub struct Block<'p> {
    page: &'p Page,
    /// The number of its fence's line, from 1.
    line: usize,
    /// The words behind the fence.
    pub info: &'p str,
    /// The lines between the fences, each with its end.
    pub body: &'p str,
}

/// Every guide of the repository.
pub fn pages() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for name in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "RELEASE-CHECKLIST.md", "SECURITY.md"] {
        paths.push(root.join(name));
    }
    for folder in ["docs/src", "examples"] {
        collect(&root.join(folder), &mut paths);
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Page { path: path.strip_prefix(root).unwrap().to_owned(), text }
    };
    paths.into_iter().map(read).collect()
}

/// The guide at this path.
pub fn page(path: &str) -> Page {
    let page = pages().into_iter().find(|page| page.path == Path::new(path));
    page.unwrap_or_else(|| panic!("there is no guide {path}"))
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}

impl Page {
    /// The fenced blocks, in their order.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        let mut blocks = Vec::new();
        let mut open: Option<(usize, &str, usize)> = None;
        let mut at = 0;
        for (number, line) in self.text.split_inclusive('\n').enumerate() {
            let start = at;
            at += line.len();
            assert!(
                !line.starts_with([' ', '\t']) || !line.trim_start().starts_with("```"),
                "{self}:{}: an indented fence",
                number + 1
            );
            let Some(info) = line.strip_prefix("```") else { continue };
            open = match open {
                None => Some((number + 1, info.trim(), at)),
                Some((line, info, body)) => {
                    blocks.push(Block { page: self, line, info, body: &self.text[body..start] });
                    None
                }
            };
        }
        assert!(open.is_none(), "{self}: a block has no end");
        blocks.into_iter()
    }

    /// The text with its fenced blocks left out.
    pub fn prose(&self) -> String {
        let mut is_prose = true;
        let mut prose = String::new();
        for line in self.text.split_inclusive('\n') {
            if line.starts_with("```") {
                is_prose = !is_prose;
            } else if is_prose {
                prose.push_str(line);
            }
        }
        prose
    }

    /// The anchors of its headings, as GitHub and mdBook make them.
    pub fn anchors(&self) -> Vec<String> {
        let prose = self.prose();
        let headings = prose.lines().filter_map(|line| line.strip_prefix('#'));
        headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
    }

    /// The targets of its inline links, outside of code.
    pub fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let without_code = prose.split('`').step_by(2).collect::<Vec<_>>().join("code");
        let parts = without_code.split("](").skip(1);
        parts.filter_map(|part| Some(part.split_once(')')?.0.to_owned())).collect()
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

impl<'p> Block<'p> {
    /// The first word of the info string.
    pub fn language(&self) -> &'p str {
        self.info.split(' ').next().unwrap_or_default()
    }

    /// The word behind it.
    pub fn argument(&self) -> Option<&'p str> {
        self.info.split(' ').nth(1)
    }

    /// The name that the first line of a config gives to it: `# shop.toml`.
    pub fn file_name(&self) -> Option<&'p str> {
        let name = self.body.lines().next()?.strip_prefix("# ")?;
        let is_file = name.ends_with(".toml") || name.ends_with(".yml");
        (is_file && matches!(self.language(), "toml" | "yaml") && !name.contains(' ')).then_some(name)
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl fmt::Display for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.page, self.line)
    }
}
