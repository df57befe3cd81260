"""`archive run` from a bucket: pyarrow's own client of S3 against a server on loopback."""

import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geograph_types.cli.main import main
from geograph_types.stored.parquet import dataset_metadata

BUCKET = "archive"
FORBIDDEN = "photos/forbidden.jpg"


class Bucket(BaseHTTPRequestHandler):
    """Listing and reading of one bucket, whose objects are files of a folder."""

    root: Path

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        if bucket != BUCKET:
            self._error(404, "NoSuchBucket")
        elif "list-type" in query:
            self._list(query.get("prefix", ""))
        elif not (self.root / key).is_file():
            self._error(404, "NoSuchKey")
        elif key == FORBIDDEN and self.command == "GET":
            self._error(403, "AccessDenied")
        else:
            self._object((self.root / key).read_bytes())

    def do_HEAD(self) -> None:
        self.do_GET()

    def _list(self, prefix: str) -> None:
        found = sorted(path for path in self.root.rglob("*") if path.is_file())
        keys = [path.relative_to(self.root).as_posix() for path in found]
        keys = [key.replace("~", "/") for key in keys]  # names with "//", which no folder has
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{path.stat().st_size}</Size>"
            '<LastModified>2020-01-01T00:00:00.000Z</LastModified><ETag>"0"</ETag></Contents>'
            for key, path in zip(keys, found, strict=True)
            if key.startswith(prefix)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        self._send(200, body.encode(), {"Content-Type": "application/xml"})

    def _object(self, data: bytes) -> None:
        status, headers = 200, {"Last-Modified": formatdate(0, usegmt=True), "ETag": '"0"'}
        if wanted := self.headers.get("Range"):
            first, last = wanted.removeprefix("bytes=").split("-")
            status, whole = 206, len(data)
            data = data[int(first) : int(last) + 1]
            headers["Content-Range"] = f"bytes {first}-{int(first) + len(data) - 1}/{whole}"
        self._send(status, data, headers)

    def _error(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """The folder of a bucket, and how an address of it ends."""
    root = tmp_path / "bucket"
    root.mkdir()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    handler = type("OneBucket", (Bucket,), {"root": root})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host = f"127.0.0.1%3A{server.server_port}"
        yield root, f"?scheme=http&region=us-east-1&endpoint_override={host}"
        server.shutdown()
        thread.join()


def run(source: str, output: Path, bundle: Path) -> int:
    places = ["--input", source, "--output", str(output), "--bundle", str(bundle)]
    return main(["archive", "run", *places, "--threads-per-actor", "1", "--shard-photos", "5"])


def test_photos_and_embeddings_of_a_bucket(
    bucket: tuple[Path, str], tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, options = bucket
    rng = np.random.default_rng(3)
    (root / "photos" / "a b").mkdir(parents=True)
    for number in range(9):
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 48)).save(root / f"photos/a b/{number}é.jpg")
    (root / "photos/bad.jpg").write_bytes(b"no photo")
    (root / FORBIDDEN).write_bytes((root / "photos/a b/0é.jpg").read_bytes())
    (root / "photos/notes.txt").touch()
    (root / "photosets.jpg").touch()

    assert run(f"s3://{BUCKET}/photos{options}", tmp_path / "remote", tiny_bundle) == 1
    assert "9 photos tagged, 2 failed: " in capsys.readouterr().err
    assert run(str(root / "photos"), tmp_path / "local", tiny_bundle) == 1
    remote, local = (
        {row["photo"]: row for path in (tmp_path / name).glob("part-*") for row in rows(path)}
        for name in ("remote", "local")
    )
    assert remote.pop("forbidden.jpg")["reason"] == "unreadable"
    assert local.pop("forbidden.jpg")["status"] == "ok"
    assert remote == local
    made = [dataset_metadata(path)["job"] for path in (tmp_path / "remote").iterdir()]
    assert made == [{"kind": "photos", "input": f"s3://{BUCKET}/photos", "shard_size": 5}] * 3

    stored = f"s3://{BUCKET}/rows{options}"
    (root / "rows").mkdir()
    for path in (tmp_path / "local").glob("part-*"):
        (root / "rows" / path.name).write_bytes(path.read_bytes())
    assert run(stored, tmp_path / "again", tiny_bundle) == 1
    capsys.readouterr()
    assert run(stored, tmp_path / "again", tiny_bundle) == 1
    assert "3 of them finished before" in capsys.readouterr().err


def test_one_name_costs_itself_and_hidden_objects_are_passed_over(
    bucket: tuple[Path, str], tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, options = bucket
    folder = root / "100% füße [1] #2"
    names = ["1.jpg", "~2.jpg", "a/~3.jpg", "._1.jpg", ".trash/4.jpg", "__MACOSX/._5.jpg"]
    names += ["@eaDir/1.jpg/8.jpg", "a b/#recycle/9.jpg", "1.nef", "1.mov"]
    for name in [*names, "lost+found/6.jpg", "a b/é 7.jpg"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48), "green").save(folder / name, "JPEG")
    for spelled in ("100% füße [1] #2", "100%25%20f%C3%BC%C3%9Fe [1] %232"):
        output = tmp_path / spelled[:5]
        for _ in range(2):
            assert run(f"s3://{BUCKET}/{spelled}{options}", output, tiny_bundle) == 1
            said = capsys.readouterr().err
            assert "2 photos tagged, 2 failed: 2 unreadable" in said
            assert "4 folders with bins, snapshots, thumbnails or libraries are not" in said
            assert ": 1 .mov; 1 RAW files beside their photos; 2 hidden" in said
        found = {row["photo"]: row["reason"] for p in output.glob("part-*") for row in rows(p)}
        bad = {"/2.jpg": "unreadable", "a/3.jpg": "unreadable"}
        assert found == {"1.jpg": None, "a b/é 7.jpg": None} | bad


@pytest.mark.parametrize(
    "address",
    [
        "s3://KEY:SECRET@elsewhere/photos",
        "S3://KEY:SECRET@elsewhere/photos",
        "s3://KEY:SEC/RET@elsewhere/photos",
        "s3://KEY:SEC?RET@elsewhere/photos",
        "s3://KEY:SEC RET@elsewhere/photos",
        "s3://KEY:SECRET@",
        "s3://KEY:SECRET",
        "s3://elsewhere/photos?secret_key=SECRET",
        "s3:/KEY:SECRET@elsewhere/photos",
        "s3:KEY:SECRET@elsewhere/photos",
        "gs://KEY:SECRET@elsewhere/photos",
        "https://KEY:SECRET@elsewhere/photos",
    ],
)
def test_no_message_holds_a_secret_of_an_address(
    bucket: tuple[Path, str],
    address: str,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = bucket[1] if "?" not in address or "SEC?" in address else "&" + bucket[1][1:]
    assert run(address + options.replace("&&", "&"), tmp_path / "out", tiny_bundle) == 2
    places = ["--input", str(tmp_path), "--bundle", str(tiny_bundle)]
    assert main(["archive", "run", *places, "--output", address]) == 2
    places = ["--input", str(tmp_path), "--output", str(tmp_path / "out"), "--labels", address]
    assert main(["archive", "run", *places, "--bundle", address]) == 2
    said = capsys.readouterr().err
    assert said.count("error: ") == 3
    for secret in ("SEC", "RET", "KEY"):
        assert secret not in said.replace("secret_key", "")


def rows(path: Path) -> list[dict[str, object]]:
    return list(pq.read_table(path).drop_columns("embeddings").to_pylist())


def test_a_bucket_that_is_not_there(
    bucket: tuple[Path, str], tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"s3://KEY:SECRET@elsewhere/photos{bucket[1]}"
    assert run(address, tmp_path / "out", tiny_bundle) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: s3://elsewhere/photos cannot be listed (")
    assert "SECRET" not in said
