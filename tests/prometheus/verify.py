"""Compares the answers of Prometheus about the example pipelines with their ledgers.

It waits until the sidecars have counted every call and Prometheus has scraped that. Then it compares

- every exposed and every stored series at the end: counters, gauges, counts and buckets must be exactly those of the
  ledger, and sums must agree to 1e-9 (because additions may have another order);
- every query of the pipelines at three instants: two while both were running, when a call may race with a scrape (then
  expected.py gives an interval), and one at the end, when none does.
"""

import argparse
import json
import math
import sys
import time
import urllib.parse
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from expected import ALIGNMENT, INTAKE, View, key, ratio, series_of, share, times, total

PATIENCE = 20  # seconds
PRECISION = 1e-9  # of figures from floating-point arithmetic
NOT_THEIRS = ("statsidecar_", "process_", "scrape_")

MINUTES = 60
FLOW = "nse_pipeline_flow_duration_seconds"
PARQUET = "nse_pipeline_parquet_write"
CLICKHOUSE = "nse_pipeline_clickhouse_load"


def rate_of(name):
    return f"{name}, a second", f"rate({name}[5m])", lambda at: at.rate(name, 5 * MINUTES)


def flow_percentile(percent):
    return (f"p{percent} of all flows",
            f"histogram_quantile({percent / 100}, sum by (le, flow_name) (rate({FLOW}_bucket[5m])))",
            lambda at: at.quantile(percent / 100, FLOW, 5 * MINUTES, by=["flow_name"]))


def failed_share(at, *operations):
    def both(outcome):
        rates = [total(at.rate(f"{operation}_{outcome}_total", 5 * MINUTES)) for operation in operations]
        return total(dict(enumerate(rate[frozenset()] for rate in rates)))
    return times(share(both("failed"), both("success")), 100)


# Each query with its right answer. The first queries of each pipeline are its original ones, word for word.
QUERIES = {
    "financial-lineage-ingestion": [
        ("cache hit rate",
         "rate(parse_cache_hit_total[5m]) / (rate(parse_cache_hit_total[5m]) + rate(parse_cache_miss_total[5m]))",
         lambda at: share(at.rate("parse_cache_hit_total", 5 * MINUTES), at.rate("parse_cache_miss_total", 5 * MINUTES))),
        ("files a second", "rate(files_processed_total[1m])", lambda at: at.rate("files_processed_total", 1 * MINUTES)),
        ("average batch size", "rate(batch_size_histogram_sum[5m]) / rate(batch_size_histogram_count[5m])",
         lambda at: ratio(at.rate("batch_size_histogram_sum", 5 * MINUTES),
                          at.rate("batch_size_histogram_count", 5 * MINUTES))),
        ("worker utilisation", "active_workers / 4", lambda at: times(at.value("active_workers"), 1 / 4)),
        ("p95 of batch duration", "histogram_quantile(0.95, rate(batch_processing_duration_seconds_bucket[5m]))",
         lambda at: at.quantile(0.95, "batch_processing_duration_seconds", 5 * MINUTES)),
        ("alert: files fail", "increase(files_failed_total[5m]) > 0",
         lambda at: above(0, at.increase("files_failed_total", 5 * MINUTES))),
        ("alert: back-pressure", "avg_over_time(queue_size[1m]) > 5",
         lambda at: above(5, at.average("queue_size", 1 * MINUTES))),
        ("mean queue", "avg_over_time(queue_size[1m])", lambda at: at.average("queue_size", 1 * MINUTES)),
        ("no alert: the cache is full", "parse_cache_entries > 1000000",
         lambda at: above(1_000_000, at.value("parse_cache_entries"))),
        ("cache entries", "parse_cache_entries", lambda at: at.value("parse_cache_entries")),
        ("p95 of graph writes", "histogram_quantile(0.95, rate(neo4j_batch_duration_seconds_bucket[5m]))",
         lambda at: at.quantile(0.95, "neo4j_batch_duration_seconds", 5 * MINUTES)),
        ("median batch size", "histogram_quantile(0.5, rate(batch_size_histogram_bucket[5m]))",
         lambda at: at.quantile(0.5, "batch_size_histogram", 5 * MINUTES)),
        rate_of("events_deduplicated_total"),
        rate_of("neo4j_batch_create_total"),
        rate_of("neo4j_entities_created_total"),
        rate_of("neo4j_relationships_created_total"),
    ],
    "nse-pipeline": [
        rate_of(f"{PARQUET}_success_total"),
        ("p95 of successful flows", f'histogram_quantile(0.95, rate({FLOW}_bucket{{status="success"}}[5m]))',
         lambda at: at.quantile(0.95, FLOW, 5 * MINUTES, by=["flow_name", "status"], status="success")),
        ("failed writes in percent",
         f"sum(rate({PARQUET}_failed_total[5m]))"
         f" / sum(rate({PARQUET}_success_total[5m]) + rate({PARQUET}_failed_total[5m])) * 100",
         lambda at: failed_share(at, PARQUET)),
        rate_of(f"{PARQUET}_failed_total"),
        rate_of(f"{CLICKHOUSE}_success_total"),
        rate_of(f"{CLICKHOUSE}_failed_total"),
        flow_percentile(50),
        flow_percentile(95),
        flow_percentile(99),
        ("failed operations in percent",
         f"sum(rate({PARQUET}_failed_total[5m]) + rate({CLICKHOUSE}_failed_total[5m]))"
         f" / sum(rate({PARQUET}_success_total[5m]) + rate({PARQUET}_failed_total[5m])"
         f" + rate({CLICKHOUSE}_success_total[5m]) + rate({CLICKHOUSE}_failed_total[5m])) * 100",
         lambda at: failed_share(at, PARQUET, CLICKHOUSE)),
        ("writes so far", f"sum({PARQUET}_success_total)", lambda at: total(at.value(f"{PARQUET}_success_total"))),
        ("loads so far", f"sum({CLICKHOUSE}_success_total)",
         lambda at: total(at.value(f"{CLICKHOUSE}_success_total"))),
        ("mean flow duration", f"rate({FLOW}_sum[5m]) / rate({FLOW}_count[5m])",
         lambda at: ratio(at.rate(f"{FLOW}_sum", 5 * MINUTES), at.rate(f"{FLOW}_count", 5 * MINUTES))),
        ("alert: operations fail", f"increase({PARQUET}_failed_total[5m]) > 0",
         lambda at: above(0, at.increase(f"{PARQUET}_failed_total", 5 * MINUTES))),
    ],
}


def above(threshold, values):
    """`> threshold`: the label sets that stay. One that may be on either side is marked as optional."""
    return {labels: (lo, hi, lo > threshold) for labels, (lo, hi) in values.items() if hi > threshold}


class Prometheus:
    def __init__(self, address):
        self.address = address

    def query(self, promql, instant=None):
        parameters = {"query": promql} | ({"time": f"{instant:.3f}"} if instant else {})
        with urllib.request.urlopen(
                f"http://{self.address}/api/v1/query?{urllib.parse.urlencode(parameters)}", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]["result"]

    def values(self, promql, instant):
        """The answer's values, without the labels that the scrape added."""
        values = {}
        for result in self.query(promql, instant):
            labels = result["metric"]
            name = labels.pop("__name__", "")
            values[key(name, {k: v for k, v in labels.items() if k not in ("instance", "job")})] = float(result["value"][1])
        return values

    def scrapes(self, job, instant):
        """Time and duration of each scrape of the job in the last five minutes."""
        selector = f'{{job="{job}"}}[5m]'
        assert all(value == "1" for _, value in self.query("up" + selector, instant)[0]["values"]), "a scrape failed"
        return [(at, float(took)) for at, took in self.query("scrape_duration_seconds" + selector, instant)[0]["values"]]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--prometheus", required=True, metavar="HOST:PORT")
    arguments.add_argument("--pipeline", nargs=3, action="append", required=True, metavar=("JOB", "PAGE", "LEDGER"))
    options = arguments.parse_args()
    prometheus = Prometheus(options.prometheus)
    ledgers = {job: json.load(open(ledger)) for job, _, ledger in options.pipeline}
    series = {job: series_of(job, ledger) for job, ledger in ledgers.items()}
    faults = []

    for job, address, _ in options.pipeline:
        samples = await_samples(address, len(ledgers[job]))
        faults += compare_totals(f"exposition of {job}", theirs(samples), series[job])
        for name in ("statsidecar_rejected_samples_total", "statsidecar_kernel_dropped_packets_total"):
            lost = [value for (n, _), value in samples.items() if n == name]
            faults += [f"{job}: {name} is {lost}"] if not lost or any(lost) else []

    # The end is after a scrape of the final state, and before a scrape that is not stored yet.
    await_scrapes(prometheus, ledgers, time.time() + INTAKE + ALIGNMENT)
    end = round(time.time(), 3)
    await_scrapes(prometheus, ledgers, end)
    first, last = max(calls[0]["time"] for calls in ledgers.values()), min(calls[-1]["time"] for calls in ledgers.values())
    instants = {"at 40 %": first + 0.4 * (last - first), "at 80 %": first + 0.8 * (last - first), "in the end": end}

    for job, _, _ in options.pipeline:
        faults += compare_totals(f"stored of {job}", theirs(prometheus.values(f'{{job="{job}"}}', end)), series[job])
        for moment, instant in instants.items():
            instant = round(instant, 3)
            view = View(series[job], prometheus.scrapes(job, instant), instant)
            for name, promql, expect in QUERIES[job]:
                got = {labels: value for (_, labels), value in prometheus.values(promql, instant).items()}
                faults += compare_query(f"{job} {moment}: {name}", got, expect(view))
    for fault in faults:
        print("WRONG", fault)
    sys.exit(1 if faults else 0)


def await_samples(address, calls):
    """The samples of the sidecar once it has counted so many calls, or after a time limit."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        samples = {key(sample.name, sample.labels): sample.value for family in families for sample in family.samples}
        applied = sum(value for (name, _), value in samples.items() if name == "statsidecar_samples_total")
        if applied == calls or time.monotonic() > deadline:
            print(f"{address}: {applied:.0f} of {calls} calls counted")
            return samples
        time.sleep(0.1)


def await_scrapes(prometheus, jobs, moment):
    """Waits until Prometheus has stored a scrape of each job that began after the moment."""
    deadline = time.monotonic() + PATIENCE
    while len(prometheus.query(f"timestamp(up) > {moment:.3f}")) < len(jobs):
        assert time.monotonic() < deadline, "Prometheus no longer scrapes"
        time.sleep(0.1)


def theirs(samples):
    """Without what the sidecar and Prometheus say about themselves."""
    return {k: value for k, value in samples.items() if k[0] != "up" and not k[0].startswith(NOT_THEIRS)}


def compare_totals(where, got, series):
    expected = {k: one.values[-1] for k, one in series.items()}
    faults = [f"{where}: {show(k)} is missing" for k in expected.keys() - got.keys()]
    faults += [f"{where}: {show(k)} is not known" for k in got.keys() - expected.keys()]
    for k in expected.keys() & got.keys():
        tolerance = PRECISION * abs(expected[k]) if k[0].endswith("_sum") else 0
        if not abs(got[k] - expected[k]) <= tolerance:
            faults.append(f"{where}: {show(k)} is {got[k]!r}, not {expected[k]!r}")
    print(f"{where}: {len(got)} series, {len(faults)} of them wrong")
    return faults


def compare_query(where, got, expected):
    faults = [f"{where}: {show(('', labels))} is not known" for labels in got.keys() - expected.keys()]
    for labels, (lo, hi, *required) in expected.items():
        if labels not in got:
            faults += [f"{where}: {show(('', labels))} is missing"] if all(required) else []
            continue
        value = got[labels]
        slack = PRECISION * max(abs(lo), abs(hi)) if math.isfinite(hi) else 0
        right = math.isnan(lo) and math.isnan(value) or lo - slack <= value <= hi + slack or math.isinf(hi)
        print(f"{where} {show(('', labels))}: {value:.6g} in {lo:.6g} .. {hi:.6g}")
        faults += [] if right else [f"{where}: {show(('', labels))} is {value!r}, not within {lo!r} .. {hi!r}"]
    return faults


def show(series):
    name, labels = series
    return name + "{" + ", ".join(f"{k}={v}" for k, v in sorted(labels)) + "}"


if __name__ == "__main__":
    main()
