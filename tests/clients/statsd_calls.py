"""Every method of the `statsd` client (PyPI), over one transport: the expected series are in statsd.txt.

    statsd_calls.py TRANSPORT ADDRESS MODE

TRANSPORT is udp, tcp or unix; MODE is plain (a packet a call) or pipeline (everything in one pipeline).
"""

import asyncio
import datetime
import random
import sys

import statsd

# The client drops samples at random; here it drops every second one, so that each run sends the same.
random.random = iter([0.25, 0.75] * 1000).__next__


def connect(transport, address):
    if transport == "unix":
        return statsd.UnixSocketStatsClient(socket_path=address, prefix="app", timeout=30)
    host, port = address.rsplit(":", 1)
    if transport == "tcp":
        return statsd.TCPStatsClient(host=host, port=int(port), prefix="app", timeout=30)
    return statsd.StatsClient(host=host, port=int(port), prefix="app")


def count(client):
    client.incr("hits")
    client.incr("hits", 41)
    client.incr("bytes", 2.5)
    for _ in range(10):
        client.incr("sampled.hits", rate=0.5)
    client.incr("jobs.updown", 5)
    client.decr("jobs.updown")
    client.decr("jobs.updown", 2)


def gauge(client):
    client.gauge("level", 7)
    client.gauge("level", 9.5)
    client.gauge("moved", 10)
    client.gauge("moved", 5, delta=True)
    client.gauge("moved", -3, delta=True)
    # The client sends two lines, 0 and then -4, because a minus sign alone would move the gauge.
    client.gauge("below", 11)
    client.gauge("below", -4)
    for _ in range(4):
        client.gauge("sampled.level", 3, rate=0.5)


def time(client):
    client.timing("took", 320)
    client.timing("took", datetime.timedelta(seconds=2))
    for _ in range(6):
        client.timing("sampled.took", 6000, rate=0.5)

    @client.timer("call")
    def called():
        return 1

    @client.timer("call")
    async def awaited():
        return 2

    assert called() == 1
    assert asyncio.run(awaited()) == 2
    with client.timer("block") as timer:
        pass
    assert timer.ms is not None
    by_hand = client.timer("by.hand").start()
    by_hand.stop(send=False)
    by_hand.send()


def count_different(client):
    for user in ["ann", "bob", "ann", 7]:
        client.set("users", user)
    for user in ["a", "b", "c", "d"]:
        client.set("sampled.users", user, rate=0.5)


def call_everything(client):
    for calls in (count, gauge, time, count_different):
        calls(client)


def main(transport, address, mode):
    client = connect(transport, address)
    if mode == "plain":
        call_everything(client)
        # A new connection loses nothing that was sent before.
        if transport != "udp":
            client.reconnect()
        client.incr("last")
    else:
        with client.pipeline() as pipeline:
            call_everything(pipeline)
            inner = pipeline.pipeline()
            inner.incr("last")
            inner.send()
    client.close()


main(*sys.argv[1:])
