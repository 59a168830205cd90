"""The market-data ETL in miniature: a day of prices into files and tables, its metrics as DogStatsD over UDP.

A flow fetches one day, then makes three tables of it (raw, normalized, features). Each is written as a file and
loaded into a database. CSV stands for Parquet and SQLite for ClickHouse, so that only the client needs installing.
"""

import argparse
import csv
import datetime
import json
import math
import pathlib
import random
import sqlite3
import sys
import tempfile
import time
import urllib.request

from datadog.dogstatsd.base import DogStatsd

COLUMNS = {
    "raw": ["symbol", "day", "previous_close", "close", "volume"],
    "normalized": ["symbol", "day", "close", "volume", "change"],
    "features": ["symbol", "day", "log_return", "turnover"],
}
SCHEMA = """
CREATE TABLE raw (symbol TEXT, day TEXT, previous_close REAL, close REAL, volume INTEGER, PRIMARY KEY (symbol, day));
CREATE TABLE normalized (symbol TEXT, day TEXT, close REAL, volume INTEGER CHECK (volume >= 0), change REAL);
CREATE TABLE features (symbol TEXT, day TEXT, log_return REAL, turnover REAL CHECK (turnover < 1e9));
"""


class Metrics:
    """Sends StatsD for all call sites and keeps the ledger. It never raises."""

    def __init__(self, address, ledger_path):
        self.ledger_path = ledger_path
        self.ledger = []
        self.warned = False
        host, port = address.rsplit(":", 1)
        try:
            self.client = DogStatsd(host=host, port=int(port), namespace="nse_pipeline")
        except Exception as error:
            self.client = None
            self.warn(error)

    def increment(self, name, **tags):
        self.call("c", name, 1, tags, lambda wire: self.client.increment(name, tags=wire))

    def histogram(self, name, value, **tags):
        self.call("h", name, value, tags, lambda wire: self.client.histogram(name, value, tags=wire))

    def call(self, kind, name, value, tags, send):
        begun = time.time()
        try:
            if self.client:
                send([f"{key}:{text}" for key, text in tags.items()])
        except Exception as error:  # no error of a metric may fail a flow
            self.warn(error)
        if self.ledger_path:
            self.ledger.append({"time": begun, "sent": time.time(), "name": f"nse_pipeline.{name}",
                                "kind": kind, "value": value, "tags": tags})

    def warn(self, error):
        if not self.warned:
            self.warned = True
            print(f"metrics are not sent: {error}", file=sys.stderr)

    def write_ledger(self):
        if self.ledger_path:
            pathlib.Path(self.ledger_path).write_text(json.dumps(self.ledger))


class BadData(Exception):
    """A table that must not be written."""


def write_parquet(folder, table, rows, metrics):
    """Writes the rows as one file, atomically: first under another name, then renamed."""
    try:
        for row in rows:
            if set(row) != set(COLUMNS[table]):
                raise BadData(f"{table}: the columns {sorted(row)} are not those of the table")
            if any(isinstance(value, float) and not math.isfinite(value) for value in row.values()):
                raise BadData(f"{table}: {row['symbol']} has a value that is no number")
        unfinished = folder / f"{table}.part"
        with unfinished.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS[table])
            writer.writeheader()
            writer.writerows(rows)
        unfinished.rename(folder / f"{table}.csv")
    except Exception:
        metrics.increment("parquet_write.failed", table=table)
        raise
    metrics.increment("parquet_write.success", table=table)


def load_clickhouse(database, folder, table, metrics):
    """Loads the table's file in one transaction."""
    try:
        with (folder / f"{table}.csv").open(newline="") as file, database:
            rows = csv.DictReader(file)
            places = ", ".join(f":{column}" for column in COLUMNS[table])
            database.executemany(f"INSERT INTO {table} ({', '.join(COLUMNS[table])}) VALUES ({places})", rows)
    except Exception:
        metrics.increment("clickhouse_load.failed", table=table)
        raise
    metrics.increment("clickhouse_load.success", table=table)


# What can be wrong with a day's prices. Each fault fails another operation of the flow.
FAULTS = ["truncated", "twice", "no history", "negative", "no price", "too much"]


def fetch(day, fault, rng):
    """A day's prices as an exchange would serve them: sometimes late, sometimes wrong."""
    time.sleep(min(rng.expovariate(4), 3))
    rows = []
    for number in range(rng.randint(50, 400)):
        close = round(rng.uniform(10, 5000), 2)
        rows.append({"symbol": f"SYM{number:03}", "day": day, "previous_close": round(close * rng.gauss(1, 0.02), 2),
                     "close": close, "volume": rng.randrange(100_000)})
    victim = rng.choice(rows)
    if fault == "truncated":
        del victim["close"]
    elif fault == "twice":
        rows.append(dict(victim))
    elif fault == "no history":
        victim["previous_close"] = 0.0
    elif fault == "negative":
        victim["volume"] = -1
    elif fault == "no price":
        victim["close"] = 0.0
    elif fault == "too much":
        victim["volume"] = 10**9
    return rows


def normalize(rows):
    return [{"symbol": row["symbol"], "day": row["day"], "close": row["close"], "volume": row["volume"],
             "change": row["close"] / row["previous_close"] - 1 if row["previous_close"] else math.inf} for row in rows]


def features(rows):
    return [{"symbol": row["symbol"], "day": row["day"], "turnover": row["close"] * row["volume"],
             "log_return": math.log1p(row["change"]) if row["close"] else -math.inf} for row in rows]


# Each table is made from the rows of the one before.
STEPS = [("raw", lambda rows: rows), ("normalized", normalize), ("features", features)]


def flow(name, day, fault, folder, database, rng, metrics):
    """One ETL flow. It ends as a success or as a failure; either way the next one goes on."""
    begun = time.perf_counter()
    status = "failed"
    try:
        rows = fetch(day, fault, rng)
        for table, make in STEPS:
            rows = make(rows)
            write_parquet(folder, table, rows, metrics)
            load_clickhouse(database, folder, table, metrics)
        status = "success"
    except (BadData, sqlite3.Error) as error:
        print(f"{name} of {day} failed: {error}")
    finally:
        metrics.histogram("flow_duration", time.perf_counter() - begun, flow_name=name, status=status)


def run(options, metrics):
    rng = random.Random(options.seed)
    day = datetime.date(2024, 1, 2)
    flows, started = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(":memory:")
        database.executescript(SCHEMA)
        # One flow without a fault, and one with each.
        planned = [None, *FAULTS] if options.once else []
        last = len(planned) if options.once else options.flows
        while (flows < last) if last else (time.monotonic() - started < options.duration):
            name = "nse_bhavcopy_backfill" if flows % 4 == 3 else "nse_bhavcopy_etl"
            fault = planned[flows] if planned else rng.choices([None, *FAULTS], [76, 4, 4, 4, 4, 4, 4])[0]
            flow(name, day.isoformat(), fault, pathlib.Path(folder), database, rng, metrics)
            day += datetime.timedelta(days=1)
            flows += 1
        database.close()
    print(f"{flows} flows")


def look_at(page):
    """Prints what the sidecar exposes of this pipeline, apart from the buckets and what is still 0."""
    try:
        with urllib.request.urlopen(page, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError as error:
        sys.exit(f"{page}: {error}; is the sidecar running?")
    own = [line for line in lines if line.startswith("nse_pipeline_") and "_bucket{" not in line]
    print("\n".join(line for line in own if not line.endswith(" 0")))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--statsd", default="127.0.0.1:8126", metavar="HOST:PORT")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--duration", type=float, default=60, metavar="SECONDS")
    arguments.add_argument("--flows", type=int, help="stop after this many flows, whatever time it takes")
    arguments.add_argument("--once", action="store_true",
                           help="run one good flow and one with each fault, then print what the sidecar exposes")
    arguments.add_argument("--page", default="http://127.0.0.1:9103/metrics", metavar="URL",
                           help="the address of the sidecar's metrics, for --once")
    arguments.add_argument("--ledger", metavar="FILE", help="write every metric call to FILE as JSON at the end")
    options = arguments.parse_args()
    metrics = Metrics(options.statsd, options.ledger)
    try:
        run(options, metrics)
    except KeyboardInterrupt:
        pass
    finally:
        metrics.write_ledger()
    if options.once:
        look_at(options.page)


if __name__ == "__main__":
    main()
