"""Runs a program that sends StatsD itself, gives it work, and prints how many events it had.

python emitters.py gunicorn|hypercorn|luigi HOST:PORT FOLDER
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request

REQUESTS = 25

APP = '''
def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
'''


def serve(program, app, statsd, folder):
    with open(os.path.join(folder, "app.py"), "w") as file:
        file.write(APP)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", program, "--bind", f"127.0.0.1:{port}", "--statsd-host", statsd, app]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline and server.poll() is None, f"{program} does not start"
        for _ in range(REQUESTS):
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/").read() == b"ok"
    finally:
        server.terminate()
        server.wait()
    print(REQUESTS)


def luigi_tasks(statsd):
    import luigi

    host, port = statsd.split(":")
    config = luigi.configuration.get_config()
    config.set("scheduler", "metrics_collector", "datadog")
    config.set("datadog", "statsd_host", host)
    config.set("datadog", "statsd_port", port)

    class Work(luigi.Task):
        number = luigi.IntParameter()
        is_done = False

        def run(self):
            self.is_done = True

        def complete(self):
            return self.is_done

    assert luigi.build([Work(number=n) for n in range(REQUESTS)], local_scheduler=True, log_level="ERROR")
    print(REQUESTS)


program, statsd, folder = sys.argv[1:]
if program == "luigi":
    luigi_tasks(statsd)
else:
    serve(program, {"gunicorn": "app:wsgi", "hypercorn": "app:asgi"}[program], statsd, folder)
