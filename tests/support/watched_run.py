"""Run a command in a network namespace of its own, whose name server records what is asked.

Nothing is reachable from there but the loopback device. As a program, this is what runs inside.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

NAMESPACES = ["unshare", "--map-root-user", "--net", "--mount"]
FILES = {"/etc/resolv.conf": "nameserver 127.0.0.1\n", "/etc/nsswitch.conf": "hosts: files dns\n"}
NO_SUCH_NAME = b"\x81\x83"


@dataclass(frozen=True)
class WatchedRun:
    """What a command did: its exit status, output, the names that it asked for, what it wrote."""

    status: int
    output: str
    names: list[str]
    written: list[str]  # new and changed in its home, temporary and working folder


def missing_namespaces() -> str:
    """Why no namespace can be made here; empty if one can."""
    if shutil.which("unshare") is None:
        return "no program 'unshare'"
    done = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True)
    return done.stderr.strip()


def run_watched(command: list[str], folder: Path, **environment: str) -> WatchedRun:
    """Run a command in `folder`/work, with a home and temporary folder beside it."""
    home, temporary, work = (folder / name for name in ("home", "temporary", "work"))
    for path in (home, temporary, work):
        path.mkdir(exist_ok=True)
    before = change_times(folder)
    variables = os.environ | {"HOME": str(home), "TMPDIR": str(temporary)} | environment
    for name in [name for name in variables if name.startswith("XDG_")]:
        del variables[name]
    inside = [*NAMESPACES, sys.executable, __file__, str(folder / "names.json"), *command]
    done = subprocess.run(
        inside, cwd=work, env=variables, capture_output=True, text=True, timeout=300
    )
    written = sorted(dict(change_times(folder).items() - before.items()))
    names = json.loads((folder / "names.json").read_text())
    return WatchedRun(done.returncode, done.stdout + done.stderr, names, written)


def change_times(folder: Path) -> dict[str, int]:
    """Return when the files and folders two levels and more below a folder were last changed."""
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*/*")}


def name_in(query: bytes) -> str:
    """Read the name in a question (RFC 1035, 4.1.2)."""
    labels, place = [], 12
    while length := query[place]:
        labels.append(query[place + 1 : place + 1 + length].decode("latin-1"))
        place += 1 + length
    return ".".join(labels)


def answer_questions(server: socket.socket, names: set[str]) -> None:
    with contextlib.suppress(OSError):
        while True:
            query, client = server.recvfrom(4096)
            names.add(name_in(query))
            server.sendto(query[:2] + NO_SUCH_NAME + query[4:6] + bytes(6) + query[12:], client)


def main(result: Path, command: list[str]) -> int:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for path, text in FILES.items():
        if Path(path).exists():
            ours = result.with_name(Path(path).name)
            ours.write_text(text)
            subprocess.run(["mount", "--bind", str(ours), path], check=True)
    names: set[str] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        threading.Thread(target=answer_questions, args=(server, names), daemon=True).start()
        status = subprocess.run(command).returncode
        result.write_text(json.dumps(sorted(names)))
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
