"""A network of its own, where every address is this machine, and a resolver that changes its mind.

Run as a program, as root: it asks for the addresses of the cases that it is given as JSON, through
the worker's own transport, and prints what became of each and which local addresses were reached.
"""

import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from loopback import Handler
from watched_run import name_in

NAMES: dict[str, list[str]] = {
    "public.test": ["8.8.8.8"],
    "other.test": ["8.8.8.8"],
    "six.test": ["2a00:1450:4009::1"],
    "inside.test": ["10.0.0.1"],
    "inside-six.test": ["fd00::1"],
    "mixed.test": ["8.8.8.8", "10.0.0.1"],
    "mapped.test": ["::ffff:127.0.0.1"],
}
"""A name "changing.test" is 8.8.8.8 when it is first asked for, and 127.0.0.1 ever after."""

PROXY_PORT = 3128
reached: list[tuple[str, int, str]] = []


class Listener(Handler):
    """Answers every GET, and notes at which address, and for which host."""

    def do_GET(self) -> None:
        address, port = self.connection.getsockname()[:2]
        reached.append((address, port, self.headers["Host"]))
        self.start(200, Content_Length=2)
        self.wfile.write(b"ok")


class Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


def serve(port: int, certificate: str = "") -> None:
    server = Server6(("::", port), Listener)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def resolve() -> None:
    """Answer questions for names."""
    times_asked = 0
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 53))
    while True:
        question, client = sock.recvfrom(512)
        name, place = name_in(question), question.index(0, 12)
        (kind,) = struct.unpack(">H", question[place + 1 : place + 3])
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        addresses = NAMES.get(name, [])
        if name == "changing.test":
            times_asked += kind == 1
            addresses = ["8.8.8.8" if times_asked == 1 else "127.0.0.1"]
        packed = [
            socket.inet_pton(family, address)
            for address in addresses
            if family and (":" in address) == (family == socket.AF_INET6)
        ]
        flags = 0x8180 if addresses else 0x8183
        head = question[:2] + struct.pack(">HHHHH", flags, 1, len(packed), 0, 0)
        answers = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(one)) + one for one in packed
        )
        sock.sendto(head + question[12 : place + 5] + answers, client)


def set_up(folder: Path) -> None:
    resolver = folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")
    for command in (
        "ip link set lo up",
        "ip route add local default dev lo",
        "ip -6 route add local default dev lo",
        f"mount --bind {resolver} /etc/resolv.conf",
    ):
        subprocess.run(command.split(), check=True)
    threading.Thread(target=resolve, daemon=True).start()
    serve(80)
    serve(PROXY_PORT)
    serve(443, os.environ["SSL_CERT_FILE"])


def ask(url: str, environment: dict[str, str]) -> dict[str, Any]:
    from geograph_types.worker.transport import Transport

    reached.clear()
    os.environ.update(environment)
    transport = Transport("test", "http://9.9.9.9:8000/api")
    try:
        reply = transport.request("GET", url, limit=100, seconds=10)
        outcome = reply.body.decode()
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
    finally:
        transport.close()
        for name in environment:
            del os.environ[name]
    return {"outcome": outcome, "reached": list(reached)}


if __name__ == "__main__":
    set_up(Path(sys.argv[1]))
    print(json.dumps([ask(*case) for case in json.load(sys.stdin)]))
