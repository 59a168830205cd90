//! What an earlier process has left may be anything: the arena and the snapshot are read without harm, and what is found goes
//! on as any series does.

use std::fs::{self, File};
use std::io::{Cursor, Seek, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use statsidecar::config::{self, Config};
use statsidecar::expose::{Escaping, Format, Syntax};
use statsidecar::http;
use statsidecar::mapping::Rules;
use statsidecar::metric::Sharing;
use statsidecar::pipeline::{Edition, Pipeline, Worker};
use statsidecar::registry;
use statsidecar::state::{
    Arena, Identity, LeftSlot, Legacy, OwnPieces, Record, Slot, SnapshotHead, SnapshotReader, SnapshotWriter,
};
use statsidecar::telemetry::{Listener, Snapshot};

use crate::checked;
use crate::input::Input;

const RULES: &str = r#"
    [defaults]
    ttl = "60s"
    [limits]
    # Pieces of an arena count as memory for ever, and each run maps some.
    memory = 0
    series = 40
    family_series = 10
    overflow = "collapse"
    tags = 8
    [[metric]]
    match = "d.*"
    name = "d_$1"
    type = "summary"
    [[metric]]
    match = "e.*"
    name = "e"
    labels = { who = "$1" }
    type = "set"
    [[metric]]
    match = "n.*"
    name = "n_$1"
    type = "histogram"
    native = true
    [[metric]]
    match = "f"
    name = "f_total"
    type = "counter"
    init = [{}]
"#;

/// Lines of all types. The set gets more members than it keeps one by one.
const LINES: &str = "a:3|c\na:0.5|c|#k:v\nb:-7|g\nc:120|ms\nc:3000|ms|@0.3\nd.x:1:20:300|ms|@0.5\nn.x:-7:0:1e-9:3:1e30|h\ne.one:me|s\nf:1|c\n";

static COMPILED: LazyLock<(Config, Rules)> = LazyLock::new(|| {
    let (config, diagnostics) = config::load(RULES);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let (rules, diagnostics) = Rules::compile(&config);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    (config, rules)
});

/// What a process has left that has seen `LINES`, and many members of a set in several panes of its window.
static LEFT: LazyLock<Vec<Record>> = LazyLock::new(|| {
    let mut process = Process::begin(None);
    process.apply(LINES.as_bytes());
    for (time, members) in [(0, 0..900), (20, 900..1000), (40, 1000..1020), (51, 1020..1030)] {
        process.pipeline.set_time(time);
        let lines: Vec<_> = members.map(|member| format!("e.all:{member}|s")).collect();
        process.apply(lines.join("\n").as_bytes());
    }
    SnapshotReader::open(Cursor::new(process.saved()), registry::layout()).expect("it is right").collect()
});

/// Leaves series in an arena, changes its memory, and lets the next process go on with it.
///
/// The lines that make the series end at `\xff\xff`. Behind them, each change is a number of the arena's memory, or a slot
/// whose identity is that of another one with changes.
pub fn arena(data: &[u8]) {
    // Other memory for each run would never be freed.
    static PIECES: LazyLock<Mutex<OwnPieces>> = LazyLock::new(Mutex::default);
    let pieces = PIECES.lock().unwrap_or_else(PoisonError::into_inner);
    pieces.clear();
    let mut input = Input(data);
    let lines = input.until(b"\xff\xff");
    let arena = begin(&pieces);
    let mut killed = Process::begin(Some(&arena));
    killed.apply(lines);
    let identities = look(&pieces).into_iter().map(|(_, identity)| identity).collect::<Vec<_>>();
    let mut slots = Vec::new();
    while let Some([kind]) = input.bytes() {
        match kind % 2 {
            0 => poke(&pieces, &mut input),
            _ => slots.extend(allocate(&arena, &identities, &mut input)),
        }
    }
    arena.leave();
    drop((slots, killed, arena));

    let (arena, found) = Arena::in_own_memory(pieces.clone());
    assert_eq!(arena.size().series, found.len());
    let arena = Arc::new(arena);
    let mut process = Process::begin(Some(&arena));
    process.restore(Legacy { found, arena_is_whole: true, clock: 100, ..Legacy::default() });
    assert!(arena.size().series <= process.pipeline.current().registry.len());
    process.go_on(lines, 1);
    arena.leave();
    process.goes_on_the_same(Some(&pieces));
}

/// An arena that nothing was left in.
fn begin(pieces: &OwnPieces) -> Arc<Arena> {
    let (arena, found) = Arena::in_own_memory(pieces.clone());
    assert!(found.is_empty());
    Arc::new(arena)
}

/// What is in the memory of an arena now. It stays there.
fn look(pieces: &OwnPieces) -> Vec<LeftSlot> {
    let (arena, found) = Arena::in_own_memory(pieces.clone());
    arena.leave();
    found
}

fn poke(pieces: &OwnPieces, input: &mut Input<'_>) {
    let Some([piece, low, high, value @ ..]) = input.bytes::<11>() else { return };
    let words = pieces.piece(u32::from(piece % 4));
    words[usize::from(u16::from_le_bytes([low, high])) % words.len()]
        .store(u64::from_le_bytes(value), Ordering::Relaxed);
}

fn allocate(arena: &Arc<Arena>, identities: &[Identity], input: &mut Input<'_>) -> Option<Slot> {
    let [which, values, change, created] = input.bytes()?;
    let mut identity = identities.get(usize::from(which) % identities.len().max(1)).cloned().unwrap_or_default();
    identity.created = u32::from(created) << (created % 25);
    identity.is_overflow ^= change & 1 != 0;
    identity.is_declared ^= change & 2 != 0;
    if change & 4 != 0 {
        identity.line_type = change >> 3;
    }
    if change & 24 == 24 {
        let part = input.until(b"\xff");
        identity.parts[usize::from(which % 3)] = String::from_utf8_lossy(part).into_owned();
    }
    let slot = arena.allocate(&identity, values.into())?;
    for value in slot.values() {
        let Some(word) = input.bytes() else { break };
        value.store(u64::from_le_bytes(word), Ordering::Relaxed);
    }
    Some(slot)
}

/// Lets a process go on with a snapshot of any content.
///
/// The first byte says what follows: the words of the file behind a right head, or records. A record is a series of [`LEFT`]
/// with other values, or with some of its values changed.
pub fn snapshot(data: &[u8]) {
    let mut input = Input(data);
    let Some([kind, clock, sent]) = input.bytes() else { return };
    let head = SnapshotHead { layout: registry::layout(), id: 1, serial: 0, clock: clock.into(), made: 0 };
    let mut writer = SnapshotWriter::begin(Vec::new(), &head).expect("memory can be written to");
    if kind % 2 == 0 {
        let mut bytes = writer.finish().expect("memory can be written to");
        bytes.truncate(48);
        bytes.extend_from_slice(input.0);
        return restored(&bytes).go_on(LINES.as_bytes(), sent);
    }
    while let Some([which, changes, seen]) = input.bytes() {
        let Record { identity, values, is_in_arena, .. } = &LEFT[usize::from(which) % LEFT.len()];
        let mut values = values.clone();
        if changes == 0 {
            let Some([low, high]) = input.bytes() else { break };
            values =
                (0..u16::from_le_bytes([low, high])).map_while(|_| input.bytes().map(u64::from_le_bytes)).collect();
        }
        for _ in 0..changes {
            let Some([low, high, value @ ..]) = input.bytes::<10>() else { break };
            let at = usize::from(u16::from_le_bytes([low, high])) % values.len();
            values[at] = u64::from_le_bytes(value);
        }
        writer.add(identity, u32::from(seen) << (seen % 25), *is_in_arena, &values).expect("memory can be written to");
    }
    let mut process = restored(&writer.finish().expect("memory can be written to"));
    process.go_on(LINES.as_bytes(), sent);
    process.goes_on_the_same(None);
}

/// A process that goes on with this snapshot.
fn restored(bytes: &[u8]) -> Process {
    let process = Process::begin(None);
    if let Ok(snapshot) = SnapshotReader::open_unchecked(file(bytes), registry::layout()) {
        let clock = snapshot.head().clock;
        process.restore(Legacy { snapshot: Some(snapshot), clock, ..Legacy::default() });
    }
    process
}

/// A file with this content, which is the same file each time.
fn file(bytes: &[u8]) -> File {
    static SCRATCH: LazyLock<File> = LazyLock::new(|| {
        let path = std::env::temp_dir().join(format!("statsidecar-fuzz-{}", std::process::id()));
        let file = File::options().create(true).truncate(true).read(true).write(true).open(&path);
        fs::remove_file(&path).expect("it was made");
        file.expect("there is room for a file")
    });
    let mut file = SCRATCH.try_clone().expect("a descriptor");
    file.set_len(0).and_then(|()| file.rewind()).expect("a file");
    file.write_all(bytes).and_then(|()| file.rewind()).expect("there is room in the file");
    file
}

/// A process with one worker.
struct Process {
    pipeline: Arc<Pipeline>,
    worker: Worker,
    listener: Arc<Listener>,
}

impl Process {
    fn begin(arena: Option<&Arc<Arena>>) -> Self {
        let (config, rules) = &*COMPILED;
        let edition = Edition::new(config, rules.clone());
        let edition = match arena {
            Some(arena) => edition.with_arena(Arc::clone(arena)),
            None => edition,
        };
        let pipeline = Arc::new(Pipeline::of(edition));
        let worker = Worker::new(Arc::clone(&pipeline), Sharing::Shared);
        Self { pipeline, worker, listener: Listener::new("udp://fuzz".to_owned()) }
    }

    fn restore(&self, legacy: Legacy) {
        self.pipeline.clock.start_at(legacy.clock);
        let restored = self.pipeline.restore(legacy);
        assert_eq!(restored.series as usize, self.pipeline.current().registry.len());
    }

    fn apply(&mut self, lines: &[u8]) {
        self.worker.begin(&self.listener, None).batch().packet(lines);
    }

    /// Shows all series. The exposition is valid.
    fn show(&self) {
        checked(&self.pipeline);
        // Native histograms are in these alone.
        for syntax in [Syntax::OpenMetrics1, Syntax::Protobuf] {
            let format = Format { syntax, escaping: Escaping::default() };
            assert!(!http::exposition_as(&self.pipeline, &Snapshot::default(), format).is_empty());
        }
    }

    /// Applies lines to what was restored, shows it, and lets it expire.
    fn go_on(&mut self, lines: &[u8], times: u8) {
        self.show();
        self.apply(lines);
        if times % 8 == 7 {
            // More than a set keeps one by one, so that its sketches take them.
            let members: Vec<_> = (0..1100).map(|member| format!("e.all:{times} {member}|s")).collect();
            self.apply(members.join("\n").as_bytes());
        }
        self.show();
        for time in [1, 30, 59].into_iter().take(usize::from(times % 4)) {
            if self.pipeline.set_time(time) {
                self.pipeline.sweep();
            }
            self.apply(lines);
            self.show();
        }
    }

    /// A process that goes on with what this one leaves shows the same series. All of them expire in the end.
    fn goes_on_the_same(&self, pieces: Option<&OwnPieces>) {
        let snapshot = SnapshotReader::open(file(&self.saved()), registry::layout()).expect("it was just written");
        let (arena, found) = pieces.map(|pieces| Arena::in_own_memory(pieces.clone())).unzip();
        let next = Self::begin(arena.map(Arc::new).as_ref());
        next.restore(Legacy {
            found: found.unwrap_or_default(),
            snapshot: Some(snapshot),
            arena_is_whole: pieces.is_some(),
            clock: self.pipeline.clock.now(),
            ..Legacy::default()
        });
        assert_eq!(next.series(), self.series());
        next.pipeline.set_time(u32::MAX);
        next.pipeline.sweep();
        let left = next.series();
        // Its rule has an `init` key, so its series stay.
        assert!(left.lines().all(|line| line.contains("f_total")), "{left}");
        next.show();
    }

    /// The lines of the exposition that are not the sidecar's own.
    fn series(&self) -> String {
        let page = http::exposition(&self.pipeline, &Snapshot::default());
        let page = String::from_utf8(page).expect("the page is UTF-8");
        page.lines().filter(|line| !line.contains("statsidecar_")).map(|line| format!("{line}\n")).collect()
    }

    /// The snapshot.
    fn saved(&self) -> Vec<u8> {
        let head = SnapshotHead { layout: registry::layout(), id: 1, serial: 0, clock: self.pipeline.clock.now(), made: 0 };
        let mut writer = SnapshotWriter::begin(Vec::new(), &head).expect("memory can be written to");
        self.pipeline.save(&mut writer).and_then(|()| writer.finish()).expect("memory can be written to")
    }
}
