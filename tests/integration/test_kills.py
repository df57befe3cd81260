import math
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import exiv2
import pyarrow.parquet as pq
import pytest
from pictures import small_photos
from processes import descendants

from geograph_types.photos.catalog import open_catalog
from geograph_types.sidecars.search import sidecar_path
from geograph_types.tagger import TypeTagger

PHOTOS = int(os.environ.get("GEOGRAPH_TYPES_TAG_PHOTOS", "40"))
KILLS = int(os.environ.get("GEOGRAPH_TYPES_TAG_KILLS", "2"))
"""`make acceptance` takes 2,000 photos and 50 kills, and CSV too."""

SUFFIXES = ("jsonl", "parquet", "csv")[:KILLS]

RECORDING = """
import os, sys
from geograph_types.cli.main import main
from geograph_types.tagger import TypeTagger

record = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
embed = TypeTagger.embed_pixels

def recorded(self, pixels):
    os.write(record, b"%d\\n" % len(pixels))
    return embed(self, pixels)

TypeTagger.embed_pixels = recorded
sys.exit(main(sys.argv[2:]))
"""
"""The program itself, which also writes down how many photos it begins to embed."""


@dataclass(frozen=True)
class Folder:
    root: Path
    bundle: Path

    def start(self, suffix: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", RECORDING, "embedded.txt", "tag", "photos", "--xmp"]
        command += ["--bundle", str(self.bundle), "--catalog", "tags.catalog"]
        command += ["--out", f"tags.{suffix}"]
        return subprocess.Popen(command, cwd=self.root, stderr=subprocess.PIPE)

    def wait(self, process: "subprocess.Popen[bytes]", embedded: float, seconds: float) -> None:
        """Wait until that many photos were begun to be embedded, or time has passed."""
        until = time.monotonic() + seconds
        while process.poll() is None and self.embedded() < embedded and time.monotonic() < until:
            time.sleep(0.002)

    def finish(self) -> tuple[float, float]:
        """Run to the end, for each kind of output.

        Returns:
            Of the first run, the seconds before it began to embed, and from then to its end.
        """
        moments = [time.monotonic()]
        for suffix in SUFFIXES:
            process = self.start(suffix)
            self.wait(process, 1, 60)
            moments.append(time.monotonic())
            _, said = process.communicate()
            moments.append(time.monotonic())
            assert process.returncode == 1, said.decode()
            assert f"{PHOTOS} photos tagged, 2 failed: " in said.decode()
        return moments[1] - moments[0], moments[2] - moments[1]

    def embedded(self) -> int:
        """How many photos were begun to be embedded, in all runs."""
        record = self.root / "embedded.txt"
        return sum(map(int, record.read_text().split())) if record.exists() else 0

    def kept(self) -> int:
        """How many embeddings are in the catalogue."""
        path = self.root / "tags.catalog"
        if not path.exists() or not path.stat().st_size:
            return 0
        with open_catalog(path, read_only=True) as catalog:
            return sum(catalog.counts("encoder").values())

    def sidecars(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.root.glob("photos/*.xmp")}


def fill(folder: Path) -> None:
    """Draw small photos, two of them no photos at all, and a few sidecars of other software."""
    for path in small_photos(folder, PHOTOS).glob("*[07].jpg"):
        foreign = exiv2.XmpData()
        foreign["Xmp.dc.title"] = f"photo {path.stem}"
        _, packet = exiv2.XmpParser.encode(foreign)
        sidecar_path(path).write_text(packet)
    (folder / "0005a.jpg").write_bytes(b"no photo")
    (folder / "0017a.jpg").touch()


def runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.fixture
def folders(tiny_bundle: Path, tmp_path: Path) -> tuple[Folder, Folder]:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        fill(tmp_path / name / "photos")
    return Folder(tmp_path / "whole", tiny_bundle), Folder(tmp_path / "killed", tiny_bundle)


def test_killed_runs_leave_what_a_whole_one_leaves(folders: tuple[Folder, Folder]) -> None:
    whole, killed = folders
    starting, working = whole.finish()
    assert whole.embedded() == PHOTOS
    moments = random.Random(2)
    extra, orphans, progress = [], 0, []
    for number in range(KILLS):
        kept, embedded = killed.kept(), killed.embedded()
        process = killed.start(SUFFIXES[number % len(SUFFIXES)])
        # Of five, one while the run starts, and four while it embeds or, after that, writes.
        embeds = number % 5 > 0 and kept < PHOTOS
        target = embedded + moments.uniform(1, 2.2 * PHOTOS / KILLS)
        seconds = moments.uniform(0, starting + (working if number % 5 else 0))
        killed.wait(process, target if embeds else math.inf, 60 if embeds else seconds)
        time.sleep(moments.uniform(0, 0.02))
        decoders = set(descendants(process.pid))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stderr:
            process.stderr.close()
        until = time.monotonic() + 10
        while any(map(runs, decoders)) and time.monotonic() < until:
            time.sleep(0.01)
        orphans += sum(map(runs, decoders))
        extra.append(killed.embedded() - embedded - (killed.kept() - kept))
        progress.append(killed.kept())
    killed.finish()
    print(f"\n{KILLS} kills; embeddings kept after each: {progress}")
    print(f"embedded in vain: {sum(extra)} photos, at most {max(extra)} at a kill")
    print(f"decoders that outlived their run: {orphans}")
    assert orphans == 0
    tagger = TypeTagger.for_many(whole.bundle)
    assert 0 <= min(extra) <= max(extra) <= tagger.streams * tagger.batch
    assert killed.embedded() == PHOTOS + sum(extra)
    for suffix in SUFFIXES:
        if suffix != "parquet":
            name = f"tags.{suffix}"
            assert (killed.root / name).read_bytes() == (whole.root / name).read_bytes()
    tables = [pq.read_table(folder.root / "tags.parquet") for folder in (whole, killed)]
    assert tables[0].equals(tables[1])
    assert tables[0].num_rows == PHOTOS + 2
    assert whole.sidecars() == killed.sidecars()
    assert len(whole.sidecars()) > PHOTOS // 2
