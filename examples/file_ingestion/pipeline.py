"""The file ingestion pipeline in miniature: SQL files in, a lineage graph out, its metrics over StatsD.

A watcher reports changed files. Events of the same file are merged, the files are gathered into batches, four
workers parse them (through a cache of earlier results), and each batch's entities and relationships go to the graph.
"""

import argparse
import asyncio
import collections
import hashlib
import json
import pathlib
import random
import re
import sys
import tempfile
import time

import statsd

WORKERS = 4
MAX_BATCH = 500
MAX_WAIT = 0.1  # seconds from the end of a batch to the start of the next, full or not
SCHEMA_VERSION = 2  # of the parse result; results of another version are parsed again
PARSE_BYTES_A_SECOND = 15_000  # simulates a real parser, which is far slower than the one below


class Metrics:
    """Sends StatsD for all call sites and keeps the ledger. It never raises."""

    def __init__(self, address, ledger_path):
        self.ledger_path = ledger_path
        self.ledger = []
        self.warned = False
        host, port = address.rsplit(":", 1)
        try:
            self.client = statsd.StatsClient(host, int(port), prefix="ingestion")
        except OSError as error:
            self.client = None
            self.warn(error)

    def incr(self, name, count=1):
        self.call("c", name, count, lambda: self.client.incr(name, count))

    def decr(self, name, count=1):
        self.call("c", name, -count, lambda: self.client.decr(name, count))

    def gauge(self, name, value):
        self.call("g", name, value, lambda: self.client.gauge(name, value))

    def timing(self, name, seconds):
        # Whole microseconds, so that the six decimals the client sends are the value itself.
        milliseconds = round(seconds * 1000, 3)
        self.call("ms", name, milliseconds, lambda: self.client.timing(name, milliseconds))

    def size(self, name, value):
        """A distribution of sizes. StatsD's oldest dialect has only timers for that."""
        self.call("ms", name, value, lambda: self.client.timing(name, value))

    def call(self, kind, name, value, send):
        begun = time.time()
        try:
            if self.client:
                send()
        except Exception as error:  # no error of a metric may fail a file
            self.warn(error)
        if self.ledger_path:
            self.ledger.append({"time": begun, "sent": time.time(), "name": f"ingestion.{name}",
                                "kind": kind, "value": value, "tags": {}})

    def warn(self, error):
        if not self.warned:
            self.warned = True
            print(f"metrics are not sent: {error}", file=sys.stderr)

    def write_ledger(self):
        if self.ledger_path:
            pathlib.Path(self.ledger_path).write_text(json.dumps(self.ledger))


class ParseError(Exception):
    """The parser cannot read the file."""


def parse(text):
    """The lineage in a SQL file: its tables, and which one is filled from which."""
    relationships = set()
    for statement in filter(str.strip, text.split(";")):
        match = re.match(r"\s*INSERT INTO (\w+) SELECT \* FROM (\w+)\s*$", statement)
        if not match:
            raise ParseError(statement.strip()[:40])
        relationships.add((match[2], match[1]))
    return {"entities": sorted({table for pair in relationships for table in pair}),
            "relationships": sorted(relationships)}


def content_hash(text):
    return hashlib.sha256(text.encode()).hexdigest()


class ParseCache:
    """Parse results by the hash of what was parsed, so that a file that only moved is not parsed again."""

    def __init__(self, metrics):
        self.metrics = metrics
        self.entries = {}

    def get(self, text):
        version, result = self.entries.get(content_hash(text), (None, None))
        if version != SCHEMA_VERSION:
            self.metrics.incr("parse_cache.miss")
            return None
        self.metrics.incr("parse_cache.hit")
        self.metrics.gauge("parse_cache.entries", len(self.entries))
        return result

    def set(self, text, result, version=SCHEMA_VERSION):
        self.entries[content_hash(text)] = (version, result)
        self.metrics.gauge("parse_cache.entries", len(self.entries))


class WorkerPool:
    """Four workers that take files from one queue."""

    def __init__(self, metrics):
        self.metrics = metrics
        self.queue = asyncio.Queue()
        self.workers = [asyncio.create_task(self.worker()) for _ in range(WORKERS)]

    async def submit(self, work):
        await self.queue.put(work)
        self.metrics.gauge("queue.size", self.queue.qsize())

    async def worker(self):
        self.metrics.incr("workers.active")
        try:
            while (work := await self.queue.get()) is not None:
                try:
                    await work()
                    self.metrics.incr("files.processed")
                except ParseError:
                    self.metrics.incr("files.failed")
                finally:
                    self.queue.task_done()
                    self.metrics.gauge("queue.size", self.queue.qsize())
        finally:
            self.metrics.decr("workers.active")

    async def stop(self):
        for _ in self.workers:
            await self.queue.put(None)
        await asyncio.gather(*self.workers)
        self.metrics.gauge("queue.size", self.queue.qsize())


class GraphWriter:
    """Simulates the graph database: it keeps what it is given, and a write takes time."""

    def __init__(self, metrics):
        self.metrics = metrics
        self.entities = set()
        self.relationships = set()

    async def write(self, results):
        begun = time.perf_counter()
        entities = {entity for result in results for entity in result["entities"]} - self.entities
        relationships = {tuple(pair) for result in results for pair in result["relationships"]} - self.relationships
        await asyncio.sleep(0.004 + 0.0003 * (len(entities) + len(relationships)))
        self.entities |= entities
        self.relationships |= relationships
        self.metrics.incr("neo4j.batch_create")
        self.metrics.incr("neo4j.entities_created", len(entities))
        self.metrics.incr("neo4j.relationships_created", len(relationships))
        self.metrics.timing("neo4j.batch_duration", time.perf_counter() - begun)


class BatchProcessor:
    """Gathers changed files, each once, and processes them in batches."""

    def __init__(self, metrics):
        self.metrics = metrics
        self.cache = ParseCache(metrics)
        self.pool = WorkerPool(metrics)
        self.graph = GraphWriter(metrics)
        self.pending = {}  # a dict for its order: the oldest file goes first

    def file_changed(self, path):
        if path in self.pending:
            self.metrics.incr("events.deduplicated")
        else:
            self.pending[path] = None

    async def run(self, watching):
        """Processes one batch after another until the watcher is done and no file is pending."""
        while not watching.done() or self.pending:
            await asyncio.wait([watching], timeout=MAX_WAIT)
            if self.pending:
                await self.flush_now()
        await self.pool.stop()

    async def flush_now(self):
        paths = list(self.pending)[:MAX_BATCH]
        for path in paths:
            del self.pending[path]
        self.metrics.size("batch.size", len(paths))
        begun = time.perf_counter()
        results = []
        for path in paths:
            await self.pool.submit(lambda path=path: self.process(path, results))
        await self.pool.queue.join()
        await self.graph.write(results)
        self.metrics.timing("batch.duration", time.perf_counter() - begun)

    async def process(self, path, results):
        text = path.read_text()
        result = self.cache.get(text)
        if result is None:
            await asyncio.sleep(len(text) / PARSE_BYTES_A_SECOND)
            result = parse(text)
            self.cache.set(text, result)
        results.append(result)


def generate_text(rng):
    """A SQL file; one in thirty is broken."""
    tables = [f"table_{rng.randrange(400)}" for _ in range(rng.randint(2, 40))]
    text = ";\n".join(f"INSERT INTO {b} SELECT * FROM {a}" for a, b in zip(tables, tables[1:]))
    return text if rng.random() > 1 / 30 else text + ";\nDELETE FROM nowhere"


async def watch(folder, rng, options, report):
    """Changes files in bursts and reports each change; many editors report one save twice."""
    texts = collections.deque(maxlen=300)
    changes, started = 0, time.monotonic()
    while (changes < options.files) if options.files else (time.monotonic() - started < options.duration):
        for _ in range(int(10 ** rng.uniform(0, 2.1))):
            path = folder / f"job_{rng.randrange(500)}.sql"
            if not texts or rng.random() < 0.6:
                texts.append(generate_text(rng))
            path.write_text(rng.choice(texts))
            for _ in range(rng.choice([1, 1, 2])):
                report(path)
            changes += 1
        await asyncio.sleep(rng.uniform(0.05, 0.8))


async def ingest(options, metrics):
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        processor = BatchProcessor(metrics)
        for _ in range(5):  # entries of an older schema version
            text = generate_text(rng)
            processor.cache.set(text, None, version=SCHEMA_VERSION - 1)
        watching = asyncio.create_task(watch(pathlib.Path(folder), rng, options, processor.file_changed))
        await processor.run(watching)
        await watching
        print(f"{len(processor.graph.entities)} entities, {len(processor.graph.relationships)} relationships")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--statsd", default="127.0.0.1:8125", metavar="HOST:PORT")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--duration", type=float, default=60, metavar="SECONDS")
    arguments.add_argument("--files", type=int, help="stop after this many changed files, whatever time it takes")
    arguments.add_argument("--ledger", metavar="FILE", help="write every metric call to FILE as JSON at the end")
    options = arguments.parse_args()
    metrics = Metrics(options.statsd, options.ledger)
    try:
        asyncio.run(ingest(options, metrics))
    except KeyboardInterrupt:
        pass
    finally:
        metrics.write_ledger()


if __name__ == "__main__":
    main()
