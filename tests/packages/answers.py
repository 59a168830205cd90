"""Starts the program by the command in the arguments, sends it two lines by UDP, reads them back from /metrics, and ends it
by SIGTERM. Fails if any of this does not work within its time."""

import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

SECONDS = 30


def addresses(output):
    """The addresses that the program says it has bound."""
    found = {}
    for line in output:
        if match := re.search(r"listening for StatsD on udp://[\d.]+:(\d+)", line):
            found["statsd"] = int(match[1])
        if match := re.search(r"serving metrics on http://[\d.]+:(\d+)", line):
            found["http"] = int(match[1])
        if len(found) == 2:
            return found
    sys.exit("the program ended before it served")


def page(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=SECONDS) as answer:
        return answer.read().decode()


def main():
    program = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(SECONDS, program.kill)
    watchdog.start()
    try:
        ports = addresses(program.stdout)
        threading.Thread(target=program.stdout.read, daemon=True).start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"package.tested:41|c\npackage.tested:1|c", ("127.0.0.1", ports["statsd"]))
        # A scrape first reads what has arrived.
        metrics = page(ports["http"], "/metrics")
        if "\npackage_tested_total 42\n" not in "\n" + metrics:
            sys.exit("/metrics does not have what was sent:\n" + metrics)
        assert "ready" in page(ports["http"], "/-/ready")
        program.send_signal(signal.SIGTERM)
        if program.wait(SECONDS) != 0:
            sys.exit(f"the program ended with {program.returncode}")
    finally:
        watchdog.cancel()
        program.kill()
    print("started, took lines, gave metrics and ended")


main()
