//! Lines and what becomes of them: sent to a running sidecar over a real UDP socket, or given to `explain`.

use std::collections::BTreeSet;

use crate::files_of;
use crate::markdown::{Block, Page, page, pages};
use crate::support::{Daemon, Scratch, client, run_in, started};

/// A block of lines, and the series that one sidecar or another makes of them.
pub struct Example<'p> {
    pub lines: Block<'p>,
    /// Of this program.
    pub ours: Block<'p>,
    /// Of statsd_exporter, where the page says something of it.
    pub theirs: Option<Block<'p>>,
}

/// The examples of a page: a block `statsd` and the blocks `prometheus` behind it.
pub fn examples(page: &Page) -> Vec<Example<'_>> {
    let blocks: Vec<Block<'_>> = page.blocks().collect();
    let starts = blocks.iter().enumerate().filter(|(_, block)| block.language() == "statsd");
    starts
        .map(|(at, lines)| {
            let behind = blocks[at + 1..].iter().take_while(|block| block.language() != "statsd");
            let series: Vec<Block<'_>> = behind.filter(|block| block.language() == "prometheus").copied().collect();
            let of = |who: Option<&str>| series.iter().find(|block| block.argument() == who).copied();
            let ours = of(None).unwrap_or_else(|| panic!("{lines}: no series stand behind it"));
            Example { lines: *lines, ours, theirs: of(Some("statsd_exporter")) }
        })
        .collect()
}

#[test]
fn lines_become_the_series_that_are_shown() {
    let mut found = 0;
    for page in pages() {
        let folder = files_of(&page);
        for example in examples(&page) {
            for daemon in daemons(&example, &folder) {
                client(daemon.udp[0]).send(example.lines.body.as_bytes()).unwrap();
                let shown = listed(example.ours.body);
                daemon.scrape_until(&format!("{}: {shown:#?}", example.ours), |exposition| {
                    listed(exposition).into_iter().filter(|line| is_a_clients(line)).eq(shown.iter().cloned())
                });
            }
            found += 1;
        }
    }
    assert!(found >= 5, "only {found} examples were found");
}

/// One sidecar; or with a mapping file two, of which one uses what `convert` writes, and one the file itself.
fn daemons(example: &Example<'_>, folder: &Scratch) -> Vec<Daemon> {
    match example.lines.argument() {
        None => vec![started(&[])],
        Some(name) if name.ends_with(".toml") => vec![started(&["--config", &folder.file(name)])],
        Some(name) => {
            let converted = run_in(folder.path(), &["convert", name]);
            assert_eq!(converted.code, Some(0), "{}: {}", example.lines, converted.stderr);
            let config = folder.write("converted.toml", &converted.stdout);
            vec![started(&["--config", &config]), started(&["--statsd-exporter-mapping", &folder.file(name)])]
        }
    }
}

/// The series of an exposition, without comments.
pub fn listed(exposition: &str) -> BTreeSet<String> {
    exposition.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
}

fn is_a_clients(line: &str) -> bool {
    !line.starts_with("statsidecar_") && !line.starts_with("process_")
}

/// `LINE => SERIES`, by `explain`.
#[test]
fn pairs_are_what_explain_says() {
    let mut found = 0;
    for page in pages() {
        let folder = files_of(&page);
        for block in page.blocks().filter(|block| block.language() == "pairs") {
            for pair in block.body.lines() {
                let (line, result) = pair.split_once(" => ").unwrap_or_else(|| panic!("{block}: {pair:?} is no pair"));
                let config: Vec<&str> = block.argument().into_iter().flat_map(|name| ["--config", name]).collect();
                let ended = run_in(folder.path(), &[&["explain"][..], &config, &["--", line.trim()]].concat());
                let start = match result.trim() {
                    "dropped" => "  dropped  ".to_owned(),
                    result if result.starts_with("rejected ") => format!("  {result} ("),
                    series => format!("  series   {series} ("),
                };
                let is_said = ended.stdout.lines().any(|line| line.starts_with(&start));
                assert!(is_said, "{block}: {pair:?}, but explain says\n{}{}", ended.stdout, ended.stderr);
                found += 1;
            }
        }
    }
    assert!(found >= 10, "only {found} pairs were found");
}

/// What the README shows first: a line by `nc`, and the series by `curl`.
#[test]
fn the_demo_of_the_readme_is_real() {
    let readme = page("README.md");
    let demo = readme.blocks().find(|block| block.body.contains("| nc -u")).expect("the demo sends by nc");
    let (_, from_lines) = demo.body.split_once("$ printf '").unwrap();
    let (lines, after) = from_lines.split_once("' | nc -u").unwrap();
    let lines = lines.replace("\\n", "\n");
    let (curl, output) = after.split_once("$ curl ").unwrap().1.split_once('\n').unwrap();
    assert!(curl.contains("| grep ^jobs"), "{curl}");

    let daemon = started(&[]);
    client(daemon.udp[0]).send(lines.as_bytes()).unwrap();
    daemon.scrape_until(&format!("{demo}: {output}"), |exposition| {
        let found: Vec<&str> = exposition.lines().filter(|line| line.starts_with("jobs")).collect();
        found == output.lines().take_while(|line| !line.starts_with("$ ")).collect::<Vec<_>>()
    });
}
