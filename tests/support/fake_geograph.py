"""A server that gives rows and takes labels over real HTTP on loopback, as badly as it is told."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import Handler, served

Row = dict[str, Any] | bytes
Page = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Faults:
    """Shares of requests that go wrong, 0 to 1."""

    dropped_before: float = 0
    dropped_after: float = 0
    errors: float = 0
    slow: float = 0
    malformed: float = 0
    repeated: float = 0
    slow_seconds: float = 0.2


@dataclass(frozen=True)
class Asked:
    """A request: when, which, and what came of it ("ok", a status, or "dropped")."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    outcome: str


@dataclass(frozen=True)
class Commit:
    """A list that was taken: its key and, by photo, its entries."""

    key: str
    entries: dict[int, list[dict[str, Any]]]

    @property
    def is_labels(self) -> bool:
        return all("label" in entry for some in self.entries.values() for entry in some)


@dataclass
class FakeGeograph:
    """The server's memory; rows that have been answered are given no more."""

    rows: dict[int, Row] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    away: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    answers: list[Page] = field(default_factory=list)
    replies: list[Page] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    forgets: bool = False
    lost_answers: int = 0
    at_commit: Callable[[], None] | None = None
    url: str = ""
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def host(self) -> str:
        return self.url.partition("/api")[0]

    def answered(self) -> set[int]:
        return {number for commit in self.label_commits() for number in commit.entries}

    def label_commits(self) -> list[Commit]:
        with self.lock:
            return [commit for commit in self.commits if commit.is_labels]

    def labels(self) -> dict[int, list[tuple[str, float]]]:
        """Return the last labels of each photo."""
        return {
            number: [(entry["label"], entry["score"]) for entry in entries]
            for commit in self.label_commits()
            for number, entries in commit.entries.items()
        }

    def embeddings(self) -> dict[int, dict[str, Any]]:
        return {
            number: entries[0]
            for commit in self.commits
            for number, entries in commit.entries.items()
            if not commit.is_labels
        }

    def effective(self) -> Counter[int]:
        """Count, by photo, the sets of labels under different keys."""
        commits = self.label_commits()
        keys = {(commit.key, number) for commit in commits for number in commit.entries}
        return Counter(number for _, number in keys)

    def repeated_lists(self) -> int:
        """Count the lists that came again under a key that was known."""
        return len(self.commits) - len({commit.key for commit in self.commits})

    def wait(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not come to pass"
            time.sleep(0.005)

    def rate(self, first: int = 4) -> float:
        """Requests per second, without the first few."""
        times = [one.at for one in self.asked][first:]
        return (len(times) - 1) / (times[-1] - times[0])

    def outage(self, away: str, seconds: float) -> list[float]:
        """Be away for a while; return when it was asked meanwhile, in seconds from the start."""
        began = time.monotonic()
        self.away = away
        self.wait(lambda: time.monotonic() - began > seconds)
        with self.lock:
            during = [one.at - began for one in self.asked if one.at > began]
        self.away = ""
        return during

    def give(self, limit: int) -> bytes:
        """Write an answer with rows that are not answered yet, and some that are."""
        with self.lock:
            known = self.answered() if not self.forgets else set()
            open_rows = [number for number in self.rows if number not in known][:limit]
            if self.chance.random() < self.faults.repeated:
                late = self.commits[-1].entries if self.commits else {}
                again = [*list(late)[:3], *open_rows[:3]]
                open_rows = (again + open_rows)[:limit]
            parts = [self.rows[number] for number in open_rows if number in self.rows]
        rows = b",".join(p if isinstance(p, bytes) else json.dumps(p).encode() for p in parts)
        head = json.dumps(self.extra).encode()[:-1]
        return head + (b", " if self.extra else b"") + b'"rows": [' + rows + b"]}"

    def take(self, key: str, body: bytes) -> None:
        entries: dict[int, list[dict[str, Any]]] = {}
        for entry in json.loads(body):
            entries.setdefault(entry["image_id"], []).append(entry)
        with self.lock:
            self.commits.append(Commit(key, entries))

    def share(self, share: float) -> bool:
        with self.lock:
            return self.chance.random() < share


class Connection(Handler):
    protocol_version = "HTTP/1.1"
    fake: FakeGeograph

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != "/api":
            missing = (404, {"Content-Type": "text/html"}, b"<h1>Not here</h1>")
            self.reply(self.fake.pages.get(parts.path, missing))
            return
        if self.is_away() or self.is_disturbed():
            return
        if self.fake.answers:
            self.reply(self.fake.answers.pop(0))
            return
        body = self.fake.give(int(parse_qs(parts.query)["limit"][0]))
        if self.fake.share(self.fake.faults.malformed):
            body = body[: len(body) // 2]
        self.reply((200, {"Content-Type": "application/json"}, body))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.is_away() or self.is_disturbed():
            return
        if self.fake.replies:
            self.reply(self.fake.replies.pop(0))
            return
        try:
            self.fake.take(self.headers["Idempotency-Key"], body)
        except (ValueError, KeyError, TypeError):
            self.reply((400, {}, b"no list"))
            return
        act, self.fake.at_commit = self.fake.at_commit, None
        if act is not None:
            act()
        if self.fake.share(self.fake.faults.dropped_after):
            self.fake.lost_answers += 1
            self.drop()
            return
        self.reply((200, {"Content-Type": "text/plain"}, b"thank you"))

    def is_away(self) -> bool:
        if self.fake.away == "dropped":
            self.drop()
        elif self.fake.away:
            self.reply((int(self.fake.away), {}, b"away"))
        return bool(self.fake.away)

    def is_disturbed(self) -> bool:
        faults = self.fake.faults
        if self.fake.share(faults.slow):
            time.sleep(faults.slow_seconds)
        if self.fake.share(faults.dropped_before):
            self.drop()
            return True
        if self.fake.share(faults.errors):
            self.reply((self.fake.chance.choice([500, 502, 503]), {}, b"<h1>error</h1>"))
            return True
        return False

    def note(self, outcome: str) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(time.monotonic(), self.command, self.path, headers, outcome)
        with self.fake.lock:
            self.fake.asked.append(asked)

    def drop(self) -> None:
        self.note("dropped")
        self.close_connection = True
        self.connection.close()

    def reply(self, page: Page) -> None:
        status, headers, body = page
        self.note("ok" if status < 300 else str(status))
        try:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True


@contextmanager
def serve(fake: FakeGeograph) -> Iterator[FakeGeograph]:
    """Serve until the end of the block."""
    with served(type("Bound", (Connection,), {"fake": fake}), daemon=True) as address:
        fake.url = f"{address}/api"
        yield fake
