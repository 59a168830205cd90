"""Every method of the `datadog` client (PyPI), over one transport: the expected series are in datadog*.txt.

    datadog_calls.py TRANSPORT ADDRESS MODE

TRANSPORT is udp, unixgram or unixstream. MODE is plain (a packet a call), buffered (with the client's own telemetry),
aggregated (sums are made in the client), background (a thread sends) or global (the module's own client).
"""

import asyncio
import random
import sys

import datadog
import datadog.dogstatsd.base
from datadog.dogstatsd import DogStatsd

# The client drops samples at random; here it drops every second one, so that each run sends the same.
every_second = iter([0.25, 0.75] * 1000).__next__
datadog.dogstatsd.base.random = every_second
random.random = every_second

PAST = 1656581400

# The client flushes only on demand, so that each run sends the same.
NEVER = 3600

MODES = {
    "plain": {"disable_telemetry": True},
    # The client sends its telemetry behind each packet.
    "buffered": {"disable_buffering": False, "flush_interval": NEVER, "telemetry_min_flush_interval": 0},
    "aggregated": {"disable_aggregation": False, "flush_interval": NEVER, "disable_telemetry": True},
    "background": {"disable_background_sender": False, "disable_telemetry": True},
}


def connect(transport, address, mode):
    if mode == "global":
        return connect_global(transport, address)
    options = dict(MODES[mode], namespace="app", constant_tags=["region:eu"], container_id="ci-1")
    if transport != "udp":
        # Without a timeout this client drops packets that a full socket does not accept at once.
        return DogStatsd(socket_path=f"{transport}://{address}", socket_timeout=30, **options)
    host, port = address.rsplit(":", 1)
    return DogStatsd(host=host, port=int(port), **options)


def connect_global(transport, address):
    options = {"statsd_namespace": "app", "statsd_constant_tags": ["region:eu"], "hostname_from_config": False}
    if transport != "udp":
        datadog.initialize(statsd_socket_path=f"{transport}://{address}", **options)
    else:
        host, port = address.rsplit(":", 1)
        datadog.initialize(statsd_host=host, statsd_port=int(port), **options)
    datadog.statsd.disable_telemetry()
    datadog.statsd.set_socket_timeout(30)
    return datadog.statsd


def count(client):
    client.increment("hits")
    client.increment("hits", 41)
    client.count("bytes", 2.5)
    client.count_with_timestamp("late.hits", 4, timestamp=PAST)
    client.increment("tagged.hits", 3, tags=["url:http://x:80/a", "prod", "city:Köln"], cardinality="low")
    client.increment("jobs.updown", 5)
    client.decrement("jobs.updown")
    client.decrement("jobs.updown", 2)


def measure(client):
    client.gauge("level", 7)
    client.gauge("level", 9.5)
    client.gauge_with_timestamp("late.level", 3, PAST)
    client.histogram("size", 4)
    client.histogram("size", 0.25, tags=["queue:fast"])
    client.distribution("weight", 6)
    client.timing("took", 320)
    client.timing("took", 2000)
    for _ in range(6):
        client.histogram("sampled.size", 7, sample_rate=0.5)
    for user in ["ann", "bob", "ann", 7]:
        client.set("users", user)


def sample(client):
    for _ in range(10):
        client.increment("sampled.hits", sample_rate=0.5)
    for _ in range(2):
        client.gauge("sampled.level", 3, sample_rate=0.5)
    for user in ["a", "b", "c", "d"]:
        client.set("sampled.users", user, sample_rate=0.5)


def time(client):
    @client.timed("call", use_ms=True)
    def called():
        return 1

    @client.timed("call", use_ms=True)
    async def awaited():
        return 2

    @client.distributed("share", tags=["queue:fast"])
    def shared():
        return 3

    # Its name comes from the module and the function: __main__.unnamed.
    @client.timed()
    def unnamed():
        return 4

    assert (called(), asyncio.run(awaited()), shared(), unnamed()) == (1, 2, 3, 4)
    with client.timed("block") as timer:
        pass
    assert timer.elapsed is not None
    with client.distributed("share.block"):
        pass
    by_hand = client.timed("by.hand")
    by_hand.start()
    by_hand.stop()


def report(client):
    # The name of a service check has no namespace.
    client.service_check("db.up", client.OK)
    client.service_check(
        "cache.up",
        client.WARNING,
        tags=["shard:1"],
        timestamp=PAST,
        hostname="web1",
        message="slow: m: 1|c\nand so on",
        cardinality="none",
    )
    client.event("Deployed", "All is well.")
    client.event(
        "Über\nzwei Zeilen",
        "a|b\nc",
        alert_type="error",
        aggregation_key="k",
        source_type_name="s",
        date_happened=PAST,
        priority="low",
        tags=["shard:1"],
        hostname="web1",
        cardinality="high",
    )


def main(transport, address, mode):
    client = connect(transport, address, mode)
    # The client samples its own sums here, so the result is right only on average.
    if mode != "aggregated":
        sample(client)
    for calls in (count, measure, time, report):
        calls(client)
    with client as batch:
        batch.increment("batched", 2)
        batch.increment("batched", 3)
    client.flush()
    client.wait_for_pending()
    assert client.stop() is not False
    assert client.packets_dropped == 0
    client.close_socket()


main(*sys.argv[1:])
