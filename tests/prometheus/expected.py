"""Works out the metrics of a pipeline from its ledger alone, without the sidecar and its config.

A ledger has the time at which each call began, and the time at which the kernel had its packet. A scrape has the time
at which Prometheus asked, and how long the answer took. A call that certainly came before the scrape is in it, and one
that certainly came after is not. Any other call may be in it or not. So every figure is an interval, `(lo, hi)`, and one
without such a call is a single point.
"""

import bisect
import collections
import math

# The time from the moment that the kernel has a packet until the sidecar has counted it. It takes microseconds; this
# leaves room for a busy machine.
INTAKE = 0.5

# Prometheus may shift the time of a scrape by up to two milliseconds ("timestamp tolerance").
ALIGNMENT = 0.002

NAN = math.nan, math.nan
ANYTHING = -math.inf, math.inf  # a call that raced with the scrape decides between a number and 0 / 0

Metric = collections.namedtuple("Metric", "name kind labels buckets divisor", defaults=[[{}], None, 1])

TABLES = [{"table": "raw"}, {"table": "normalized"}, {"table": "features"}]
FLOWS = [{"flow_name": flow, "status": status} for flow in ("nse_bhavcopy_etl", "nse_bhavcopy_backfill")
         for status in ("success", "failed")]

# The metrics of the pipelines' queries, by the names that the programs send.
METRICS = {
    "financial-lineage-ingestion": {
        "ingestion.parse_cache.hit": Metric("parse_cache_hit_total", "counter"),
        "ingestion.parse_cache.miss": Metric("parse_cache_miss_total", "counter"),
        "ingestion.parse_cache.entries": Metric("parse_cache_entries", "gauge"),
        "ingestion.events.deduplicated": Metric("events_deduplicated_total", "counter"),
        "ingestion.files.processed": Metric("files_processed_total", "counter"),
        "ingestion.files.failed": Metric("files_failed_total", "counter"),
        "ingestion.queue.size": Metric("queue_size", "gauge"),
        "ingestion.workers.active": Metric("active_workers", "gauge"),
        "ingestion.neo4j.batch_create": Metric("neo4j_batch_create_total", "counter"),
        "ingestion.neo4j.entities_created": Metric("neo4j_entities_created_total", "counter"),
        "ingestion.neo4j.relationships_created": Metric("neo4j_relationships_created_total", "counter"),
        "ingestion.batch.size": Metric(
            "batch_size_histogram", "histogram", buckets=[1, 5, 10, 25, 50, 100, 200, 500]),
        "ingestion.batch.duration": Metric(
            "batch_processing_duration_seconds", "histogram", buckets=[0.1, 0.5, 1, 2, 5, 10, 30, 60], divisor=1000),
        "ingestion.neo4j.batch_duration": Metric(
            "neo4j_batch_duration_seconds", "histogram", buckets=[0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10], divisor=1000),
    },
    "nse-pipeline": {
        "nse_pipeline.parquet_write.success": Metric("nse_pipeline_parquet_write_success_total", "counter", TABLES),
        "nse_pipeline.parquet_write.failed": Metric("nse_pipeline_parquet_write_failed_total", "counter", TABLES),
        "nse_pipeline.clickhouse_load.success": Metric("nse_pipeline_clickhouse_load_success_total", "counter", TABLES),
        "nse_pipeline.clickhouse_load.failed": Metric("nse_pipeline_clickhouse_load_failed_total", "counter", TABLES),
        "nse_pipeline.flow_duration": Metric(
            "nse_pipeline_flow_duration_seconds", "histogram", FLOWS,
            [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]),
    },
}


def key(name, labels):
    """A series' identity. Prometheus 2 and 3 write `le` differently, so it counts as the number it is."""
    return name, frozenset((k, float(v) if k == "le" else v) for k, v in labels.items())


class Series:
    """A series' value after each call that changed it; 0 before the first."""

    def __init__(self):
        self.begun, self.sent, self.values = [], [], [0.0]

    def change(self, call, value):
        self.begun.append(call["time"])
        self.sent.append(call["sent"])
        self.values.append(value)

    def at(self, scrape):
        """The least and the greatest value that this scrape may have had."""
        asked, took = scrape
        surely = bisect.bisect_right(self.sent, asked - ALIGNMENT - INTAKE)
        perhaps = bisect.bisect_right(self.begun, asked + took + ALIGNMENT)
        possible = self.values[surely:perhaps + 1]
        return min(possible), max(possible)


def series_of(job, ledger):
    """Every series that the ledger's calls make, with those that are there before the first call."""
    every = collections.defaultdict(Series)
    for metric in METRICS[job].values():
        for labels in metric.labels:
            for name, le, _ in effects(metric, 0, 0):
                every[key(name, labels | le)]
    for call in ledger:
        metric = METRICS[job][call["name"]]
        for name, le, effect in effects(metric, call["value"] / metric.divisor, call["kind"]):
            series = every[key(name, call["tags"] | le)]
            series.change(call, effect(series.values[-1]))
    return dict(every)


def effects(metric, value, kind):
    """The series that one call touches, and what becomes of each one's value."""
    if metric.kind == "histogram":
        for bucket in metric.buckets + [math.inf]:
            yield metric.name + "_bucket", {"le": bucket}, lambda old, inside=value <= bucket: old + inside
        yield metric.name + "_sum", {}, lambda old: old + value
        yield metric.name + "_count", {}, lambda old: old + 1
    elif kind == "g":
        yield metric.name, {}, lambda old: value
    else:
        yield metric.name, {}, lambda old: old + value


class View:
    """What PromQL sees of the series at one instant, as intervals by label set."""

    def __init__(self, series, scrapes, instant):
        self.series, self.scrapes, self.instant = series, scrapes, instant

    def select(self, name, matching):
        wanted = set(matching.items())
        return {labels: series for (n, labels), series in self.series.items() if n == name and wanted <= labels}

    def within(self, window):
        return [scrape for scrape in self.scrapes if self.instant - window <= scrape[0] <= self.instant]

    def value(self, name):
        return {labels: series.at(self.within(300)[-1]) for labels, series in self.select(name, {}).items()}

    def average(self, name, window):
        """avg_over_time()"""
        scrapes = self.within(window)
        return {labels: tuple(sum(bound) / len(scrapes) for bound in zip(*map(series.at, scrapes)))
                for labels, series in self.select(name, {}).items()}

    def rate(self, name, window, **matching):
        """rate(): the increase between the first and the last sample, extended towards the window's ends.

        It is extended by what is missing at an end, or by half the samples' mean distance where more than 1.1 of that is
        missing; and never to before the counter was 0. Here the first sample is 0 always, so nothing is added there.
        """
        scrapes = self.within(window)
        (first, last), gaps = (scrapes[0], scrapes[-1]), len(scrapes) - 1
        # Times become whole milliseconds before the subtraction, because a float of seconds since 1970 is too coarse for
        # the comparison.
        covered = (round(last[0] * 1000) - round(first[0] * 1000)) / 1000
        missing = (round(self.instant * 1000) - round(last[0] * 1000)) / 1000
        extension = missing if missing < 1.1 * covered / gaps else covered / gaps / 2
        factor = (covered + extension) / covered / window
        rates = {}
        for labels, series in self.select(name, matching).items():
            assert series.at(first) == (0, 0), f"{name}: the window does not reach back to before the first call"
            rates[labels] = tuple(bound * factor for bound in series.at(last))
        return rates

    def increase(self, name, window):
        return {labels: (lo * window, hi * window) for labels, (lo, hi) in self.rate(name, window).items()}

    def quantile(self, q, name, window, by=(), **matching):
        """histogram_quantile() of sum by (le, ...) of the rates of a histogram's buckets."""
        histograms = collections.defaultdict(lambda: collections.defaultdict(list))
        for labels, rate in self.rate(name + "_bucket", window, **matching).items():
            group = frozenset((k, v) for k, v in labels if k in by)
            histograms[group][dict(labels)["le"]].append(rate)
        return {group: quantile(q, [(le, *map(sum, zip(*rates))) for le, rates in sorted(buckets.items())])
                for group, buckets in histograms.items()}


def quantile(q, buckets):
    """The q-quantile of cumulative buckets `(le, lo, hi)`, linear within a bucket.

    The share of observations up to `le` is greatest where as many as possible lie below and as few as possible above,
    and the quantile is then least; so the two extremes bound every mixture of what a scrape may have caught.
    """
    _, total_lo, total_hi = buckets[-1]
    if total_hi == 0:
        return NAN
    if total_lo == 0:
        return ANYTHING
    above = [(max(total_lo - hi, 0), total_hi - lo) for _, lo, hi in buckets]
    most = [(le, hi / (hi + least)) for (le, _, hi), (least, _) in zip(buckets, above) if hi + least]
    fewest = [(le, lo / (lo + most_above)) for (le, lo, _), (_, most_above) in zip(buckets, above) if lo + most_above]
    # Rounding may put a rank at the exact end of a bucket on either side of it.
    return inverse(most, q * (1 - 1e-12)), inverse(fewest, q * (1 + 1e-12))


def inverse(shares, q):
    """Where the shares of observations up to each bucket's end reach q."""
    start, below = 0.0, 0.0
    for le, share in shares:
        if share >= q:
            return start if math.isinf(le) else start + (le - start) * (q - below) / (share - below)
        start, below = le, share
    return start


def ratio(a, b):
    """a / b, label set by label set."""
    return {labels: divided(a[labels][0], b[labels][1], a[labels][1], b[labels][0]) for labels in a}


def share(part, rest):
    """part / (part + rest): least where the part is least and the rest greatest, and the other way round."""
    return {labels: divided(part[labels][0], part[labels][0] + rest[labels][1],
                            part[labels][1], part[labels][1] + rest[labels][0]) for labels in part}


def divided(least, by_most, most, by_least):
    if by_most == by_least == 0:
        return NAN
    return (least / by_most, most / by_least) if by_most and by_least else ANYTHING


def total(values):
    """sum()"""
    return {frozenset(): tuple(map(sum, zip(*values.values())))}


def times(values, factor):
    return {labels: (lo * factor, hi * factor) for labels, (lo, hi) in values.items()}
