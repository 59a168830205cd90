//! Properties that hold for any bytes. Each fuzz target passes its bytes to one function here.
//!
//! ```sh
//! cargo install cargo-fuzz
//! cargo +nightly fuzz run packet_to_page fuzz/corpus/packet_to_page fuzz/seeds/packet_to_page -- -max_total_time=60
//! ```
//!
//! A stable toolchain works too, with `RUSTC_BOOTSTRAP=1` instead of `+nightly`.

mod input;
mod page;
mod state;

use std::sync::{Arc, LazyLock};

use statsidecar::config::{self, Config, Dialects, Framing, Severity};
use statsidecar::http;
use statsidecar::import::statsd_exporter::import;
use statsidecar::intake::{BadStream, End, Frames, Piece};
use statsidecar::mapping::Rules;
use statsidecar::metric::Sharing;
use statsidecar::parse::tags::Tagged;
use statsidecar::parse::{self, SampleValue, StatsdType, value};
use statsidecar::pipeline::{Edition, NoInitial, Pipeline, Worker};
use statsidecar::telemetry::{Listener, Snapshot};

pub use state::{arena, snapshot};

/// Parses a line. Each part of the result is a part of the line, numbers are finite, and the reader of simple lines
/// agrees with the general reader.
pub fn line(line: &[u8]) {
    if let Some((plain, len)) = parse::simple_line(line) {
        assert!(matches!(line.get(len), None | Some(b'\n')));
        let groups: Vec<_> = parse::groups(&line[..len]).tagged(Dialects::ALL).collect();
        let [Ok(group)] = groups.as_slice() else { panic!("{groups:?}") };
        assert_eq!((plain.name, plain.tags, plain.statsd_type), (group.name, group.tags, group.statsd_type));
        assert_eq!((Ok(plain.number()), Ok(plain.rate)), (value::number(group.values), group.rate));
    }
    if let Some(event) = parse::event(line) {
        assert!(event.is_err() || line.starts_with(b"_e{") && std::str::from_utf8(line).is_ok());
        return;
    }
    let range = line.as_ptr_range();
    let is_part =
        |part: &[u8]| part.is_empty() || (range.contains(&part.as_ptr()) && part.as_ptr_range().end <= range.end);
    for group in parse::groups(line).tagged(Dialects::ALL).flatten() {
        assert!([group.name, group.values, group.tags, group.container].into_iter().all(is_part));
        assert_eq!(group.unknown_sections().count() > 0, group.unknown);
        assert!(group.rate.is_ok_and(|rate| (1e-9..=1.0).contains(&rate)) || group.rate.is_err());
        for text in group.each_value() {
            match value::value(text, group.statsd_type) {
                Ok(SampleValue::Number(number)) => assert!(number.to_f64().is_finite()),
                Ok(SampleValue::Member(member)) => assert_eq!(member, group.values),
                Err(_) => assert_ne!(group.statsd_type, StatsdType::ServiceCheck),
            }
        }
        if let (Ok(name), Ok(sections)) = (std::str::from_utf8(group.name), std::str::from_utf8(group.tags)) {
            let tagged = Tagged::new(name, sections, Dialects::ALL);
            assert!(tagged.name.len() <= name.len());
            for (key, value) in tagged.tags.iter().flat_map(|tag| tag.pair) {
                assert!(!key.is_empty() && !value.is_empty());
            }
        }
    }
}

/// Applies packets with rules that let clients choose names and label values. `\xff\xff` separates the packets; the
/// first one is applied by itself, the others as one batch. The exposition is valid, and every line is counted
/// somewhere.
pub fn packet_to_page(data: &[u8]) {
    const RULES: &str = r#"
        [labels]
        constant = "c\"\\\n"
        [defaults]
        container_label = true
        service_checks = true
        [limits]
        series = 50
        tags = 8
        [[metric]]
        match = "a.*.*"
        name = "$1"
        labels = { all = "$0", two = "$2" }
        [[metric]]
        match = "b.*"
        name = "b_$1"
        type = "histogram"
        scale = -1e300
        [[metric]]
        match = "c.**"
        drop = true
        [[metric]]
        match = "d.*"
        name = "d_$1"
        type = "summary"
        scale = 1e300
        [[metric]]
        match = "e"
        name = "e"
        type = "set"
        init = [{}]
        [[metric]]
        match = "f"
        name = "f"
        type = "summary"
        init = [{}]
        [[metric]]
        match_regex = '(?P<x>.*)-(\w*).*'
        match_tags = { "a-b" = "x*" }
        name = "$x"
        labels = { l = "$2", m = "$0" }
        rename_tags = { "a-b" = "m", le = "n" }
        drop_tags = ["n"]
        prefer = "tag"
    "#;
    // Compiling the rules takes longer than everything else.
    static COMPILED: LazyLock<(Config, Rules)> = LazyLock::new(|| {
        let config = config::load(RULES).0;
        let (rules, diagnostics) = Rules::compile(&config);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        (config, rules)
    });
    let (config, rules) = &*COMPILED;
    let pipeline = Arc::new(pipeline(config, rules.clone()).expect("there is room for its init series"));
    let mut worker = Worker::new(Arc::clone(&pipeline), Sharing::Shared);
    let mut rest = Some(data);
    let mut next = || {
        let packets = rest?;
        let end = packets.windows(2).position(|bytes| bytes == [0xff, 0xff]);
        rest = end.map(|end| &packets[end + 2..]);
        Some(&packets[..end.unwrap_or(packets.len())])
    };
    let listener = Listener::new("udp://fuzz".to_owned());
    worker.begin(&listener, None).batch().packet(next().unwrap_or_default());
    let mut work = worker.begin(&listener, None);
    let mut batch = work.batch();
    std::iter::from_fn(next).for_each(|packet| batch.packet(packet));
    drop(batch);
    drop(work);

    let page = checked(&pipeline);
    let sum = |name: &str| -> f64 { page.iter().filter(|(family, _)| *family == name).map(|(_, value)| value).sum() };
    let ended = ["samples", "rejected_samples", "dropped_samples", "events"];
    let ended = ended.map(|what| format!("statsidecar_{what}_total"));
    assert!(listener.lines() as f64 <= ended.iter().map(|name| sum(name)).sum(), "a line is not counted");
}

/// Reads a stream twice, whole and in pieces; the first byte sets the size of the pieces. Both give the same lines and
/// messages, with no more bytes than the stream has.
pub fn stream_framing(data: &[u8]) {
    let Some((&first, stream)) = data.split_first() else { return };
    for framing in [Framing::Lines, Framing::Messages] {
        for end in [End::Whole, End::Torn] {
            let whole = read_stream(framing, [stream], end);
            assert_eq!(read_stream(framing, stream.chunks(usize::from(first % 64) + 1), end), whole);
            let contents = whole.0.iter().map(|(content, _)| content.len());
            assert!(contents.sum::<usize>() <= stream.len());
        }
    }
}

/// The contents of a stream that arrives in these pieces, each with whether it is a line; `\n` for a line that is too
/// long. Also returns whether the stream kept to its framing.
fn read_stream<'a>(
    framing: Framing,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    end: End,
) -> (Vec<(Vec<u8>, bool)>, Result<bool, BadStream>) {
    const MAX_LINE: usize = 16;
    let mut said = Vec::new();
    let mut take = |piece: Piece<'_>| match piece {
        Piece::Lines(lines) => {
            for line in lines.strip_suffix(b"\n").unwrap_or(lines).split(|&b| b == b'\n') {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                said.push((if line.len() > MAX_LINE { b"\n".to_vec() } else { line.to_vec() }, true));
            }
        }
        Piece::Message(message) => said.push((message.to_vec(), false)),
        Piece::TooLong => said.push((b"\n".to_vec(), true)),
        Piece::Cut => {}
    };
    let mut frames = Frames::new(framing, MAX_LINE);
    let pushed = pieces.into_iter().try_for_each(|piece| frames.push(piece, &mut take));
    let is_whole = frames.end(end, &mut take);
    (said, pushed.map(|()| is_whole))
}

/// Loads and compiles a config file. If that gives no error, the first exposition is valid.
pub fn config(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let (config, mut diagnostics) = config::load(source);
    let (rules, more) = Rules::compile(&config);
    diagnostics.extend(more);
    assert_eq!(config::render("fuzz.toml", source, &diagnostics).lines().count(), diagnostics.len());
    if diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error)
        // Init series over a limit, or that collide, end the start with an error.
        && let Ok(pipeline) = pipeline(&config, rules)
    {
        checked(&pipeline);
    }
}

/// Converts a mapping file of statsd_exporter. The result loads, or the file has an error.
pub fn yaml_import(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let (found, is_right) = match import(source) {
        Ok(imported) => (imported.warnings, true),
        Err(found) => (found, false),
    };
    assert_eq!(config::render("fuzz.yml", source, &found).lines().count(), found.len());
    assert_eq!(found.iter().all(|diagnostic| diagnostic.severity != Severity::Error), is_right);
}

/// A pipeline with the series of its `init` keys.
fn pipeline(config: &Config, rules: Rules) -> Result<Pipeline, NoInitial> {
    let edition = Edition::new(config, rules);
    edition.make_initial(0)?;
    Ok(Pipeline::of(edition))
}

/// The family and the value of each sample of the exposition, which must be valid.
fn checked(pipeline: &Pipeline) -> Vec<(String, f64)> {
    let page = String::from_utf8(http::exposition(pipeline, &Snapshot::default())).expect("the page is UTF-8");
    page::check(&page).unwrap_or_else(|error| panic!("{error}:\n{page}"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn seeds_and_mutated_seeds_pass() {
        for (target, run) in [
            ("line", super::line as fn(&[u8])),
            ("packet_to_page", super::packet_to_page),
            ("config", super::config),
            ("stream_framing", super::stream_framing),
            ("yaml_import", super::yaml_import),
            ("arena", super::arena),
            ("snapshot", super::snapshot),
        ] {
            let seeds = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target)).unwrap();
            let mut paths: Vec<_> = seeds.map(|seed| seed.unwrap().path()).collect();
            paths.sort();
            assert!(paths.len() >= 2, "{target}");
            let seeds: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
            seeds.iter().for_each(|seed| run(seed));
            // A smoke run without coverage: the same inputs each time, some of them far from any seed.
            let mut random = fastrand::Rng::with_seed(1);
            for n in 0..400 {
                let mut data = seeds[n % seeds.len()].clone();
                (0..random.usize(1..8)).for_each(|_| mutate(&mut data, &seeds, &mut random));
                run(&data);
            }
        }
    }

    /// Changes a byte, removes a piece, or inserts a piece of some seed.
    fn mutate(data: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut fastrand::Rng) {
        let at = random.usize(..=data.len());
        match random.u8(..3) {
            0 if at < data.len() => data[at] = random.u8(..),
            1 => drop(data.drain(at..random.usize(at..=data.len()))),
            _ => {
                let other = &seeds[random.usize(..seeds.len())];
                let from = random.usize(..=other.len());
                let piece = other[from..random.usize(from..=other.len())].to_vec();
                data.splice(at..at, piece);
            }
        }
    }
}
