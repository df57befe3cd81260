"""What a command shows on a terminal while it works."""

import os
import pty
import re
import subprocess
import sys

SCRIPT = """
import time
from geograph_types.cli.notices import note
from geograph_types.cli.progress import track

for number in track(range(6), "photos", 6, failed=lambda number: number in (1, 3)):
    time.sleep(0.15)
    if number == 3:
        note("error: a\\x1b[2J.jpg: damaged: " + "far longer than a line of the terminal " * 3)
"""


def on_a_terminal(script: str) -> str:
    """Return all that a terminal was sent, without what moves its cursor."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen([sys.executable, "-c", script], stderr=theirs, env=environment) as child:
        os.close(theirs)
        sent = b""
        while part := _read(ours):
            sent += part
        assert child.wait() == 0
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sent.decode())


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # the other end is closed
        return b""


def test_a_bar_shows_rate_and_failures_and_keeps_off_the_lines_above_it() -> None:
    shown = on_a_terminal(SCRIPT)
    lines = re.split(r"[\r\n]+", shown)
    said = [line for line in lines if "error:" in line]
    assert len(said) == 1
    assert said[0].startswith("error: a\\x1b[2J.jpg: damaged: far longer")
    last = [line for line in lines if line.startswith("photos")][-1]
    assert re.search(r"6/6 [\d.,]+/s .*2 failed", last)
