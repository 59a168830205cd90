"""Every method of the asyncio client `aiodogstatsd` (PyPI): the expected series are in aiodogstatsd.txt.

    aiodogstatsd_calls.py udp ADDRESS MODE

It supports UDP only. MODE is context (the client closes itself) or byhand.
"""

import asyncio
import sys

import aiodogstatsd

# The client drops samples at random; here it drops every second one, so that each run sends the same.
aiodogstatsd.client.random = iter([0.25, 0.75] * 1000).__next__


def count(client):
    client.increment("hits")
    client.increment("hits", value=41)
    client.increment("bytes", value=2.5)
    client.increment("tagged.hits", value=3, tags={"url": "http://x:80/a", "env": "stage", "city": "Köln"})
    for _ in range(10):
        client.increment("sampled.hits", sample_rate=0.5)
    client.increment("jobs.updown", value=5)
    client.decrement("jobs.updown")
    client.decrement("jobs.updown", value=2)


def measure(client):
    client.gauge("level", value=7)
    client.gauge("level", value=9.5)
    client.histogram("size", value=4)
    client.histogram("size", value=0.25)
    client.distribution("weight", value=6)
    client.timing("took", value=320)
    client.timing("took", value=2000, tags={"queue": "fast"})
    for _ in range(6):
        client.timing("sampled.took", value=6000, sample_rate=0.5)


async def time(client):
    with client.timeit("block"):
        pass
    with client.timeit("block", threshold_ms=60_000):
        pass  # below the threshold: not sent
    await client.timeit_task(asyncio.sleep(0), "task", tags={"queue": "slow"})
    await asyncio.sleep(0)  # lets the callback of the task run, which sends the metric


async def call_everything(client):
    count(client)
    measure(client)
    await time(client)


async def main(_transport, address, mode):
    host, port = address.rsplit(":", 1)
    client = aiodogstatsd.Client(
        host=host, port=int(port), namespace="app", constant_tags={"env": "prod"}, read_timeout=0.05
    )
    if mode == "context":
        async with client:
            await call_everything(client)
    else:
        await client.connect()
        await call_everything(client)
        await client.close()


asyncio.run(main(*sys.argv[1:]))
