"""Shows that the program resolves the names of hosts in the root folder of the argument, which has nothing else than the
program needs: one name of /etc/hosts, and one that a name server knows. Runs in a network of its own, as root.
"""

import pathlib
import socket
import struct
import subprocess
import sys
import threading

SECONDS = 30
BY_FILE, BY_SERVER = "by-file.test", "by-server.test"


def name_server(asked):
    """Answers 127.0.0.1 for BY_SERVER, no address of IPv6, and nothing for other names."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    labels = b"".join(bytes([len(part)]) + part.encode() for part in BY_SERVER.split(".")) + b"\0"

    def serve():
        while True:
            query, client = server.recvfrom(512)
            question = query[12 : query.index(b"\0", 12) + 5]
            known = question[:-4] == labels
            asked.append(known)
            of_ipv4 = question[-4:-2] == b"\0\1"
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if known and of_ipv4 else b""
            flags = b"\x81\x80" if known else b"\x81\x83"
            counts = struct.pack(">HHHH", 1, int(bool(answer)), 0, 0)
            server.sendto(query[:2] + flags + counts + question + answer, client)

    threading.Thread(target=serve, daemon=True).start()


def main():
    root = pathlib.Path(sys.argv[1])
    asked = []
    name_server(asked)
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/hosts").write_text(f"127.0.0.1 {BY_FILE}\n")
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    program = ["chroot", "--userspec=65532:65532", root, "/usr/bin/statsidecar"]
    sidecar = subprocess.Popen(
        [*program, "--listen", "udp://127.0.0.1:8125", "--http", "127.0.0.1:9102"], stdout=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(SECONDS, sidecar.kill)
    watchdog.start()
    try:
        if not any("serving metrics" in line for line in sidecar.stdout):
            sys.exit("the program ended before it served")
        for name in (BY_FILE, BY_SERVER):
            url = f"http://{name}:9102/"
            subprocess.run([*program, "top", "--once", url], check=True, stdout=subprocess.DEVNULL, timeout=SECONDS)
        assert any(asked), "nobody asked the name server"
        unknown = [*program, "top", "--once", "http://unknown.test:9102/"]
        verdict = subprocess.run(unknown, capture_output=True, text=True, timeout=SECONDS)
        assert verdict.returncode != 0, "an unknown name was resolved"
    finally:
        watchdog.cancel()
        sidecar.kill()
    print("resolved a name of /etc/hosts, and one of a name server")


main()
