"""The pages of `docs`: their snippets run, their links lead somewhere, nothing is left unnamed."""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from geograph_types import manifest
from geograph_types.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
DOCS = sorted((ROOT / "docs").glob("*.md"))

COMMAND_BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
WITH_SNIPPETS = [page for page in DOCS if "```python" in page.read_text(encoding="utf-8")]


def anchors(page: Path) -> set[str]:
    headings = HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if not link.startswith(("https://", "http://")):
            target, _, anchor = link.partition("#")
            file = page.parent / target if target else page
            assert file.exists(), link
            assert not anchor or anchor in anchors(file), link


@pytest.fixture(scope="module")
def folder(
    tiny_bundle: Path, scenes: Path, photo: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What the snippets name: a bundle, a photo and a dataset."""
    made = tmp_path_factory.mktemp("docs")
    (made / "bundle").symlink_to(tiny_bundle)
    (made / "photo.jpg").write_bytes(photo.read_bytes())
    command = ["embed", str(scenes), "--labels", str(scenes / "labels.csv")]
    command += ["--bundle", str(tiny_bundle), "--out", str(made / "data.parquet")]
    assert main(command) == 0
    return made


@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=lambda page: page.name)
def test_python_snippets_run(page: Path, folder: Path) -> None:
    for snippet in PYTHON_BLOCK.findall(page.read_text(encoding="utf-8")):
        done = subprocess.run(
            [sys.executable, "-c", snippet],
            cwd=folder,
            env=os.environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{snippet}\n{done.stderr}"


def published_rows(count: int) -> Iterator[bytes]:
    """Rows as the published dataset has them."""
    rng = np.random.default_rng(3)
    for number in range(count):
        vector = rng.normal(0, 0.45, 512).astype("<f4")
        row = {
            "gridimage_id": number + 1,
            "types": ("Inside", "Geograph", "Cross Grid", "From Above")[number % 4],
            "distance": ("16", "", "512", "Unknown")[number % 4],
            "embeddings": base64.b64encode(vector.tobytes()).decode(),
            "weight": 1.0,
            "split": ("tra", "tra", "val", "tes")[number // 4 % 4],
        }
        yield json.dumps(row).encode() + b"\n"


def test_the_commands_for_those_who_come_from_geographs_scripts(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "docs" / "from-geographs-scripts.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Path("types.jsonl.gz").write_bytes(gzip.compress(b"".join(published_rows(64))))
    shutil.copy(checkpoint, "best_geograph_model_v2.3.pth")
    lines = [line for block in COMMAND_BLOCK.findall(page) for line in block.splitlines()]
    assert len(lines) >= 6
    for line in lines:
        program, *words = line.split()
        assert program == "geograph-types"
        if words[0] == "train":
            words += ["--epochs", "2"]
        assert main(words) == 0, f"{line}\n{capfd.readouterr().err}"


def test_every_field_of_the_manifest_is_described() -> None:
    page = (ROOT / "docs" / "bundle-format.md").read_text(encoding="utf-8")
    structs = [
        found
        for found in vars(manifest).values()
        if isinstance(found, type) and issubclass(found, msgspec.Struct)
    ]
    assert manifest.Manifest in structs
    missing = {field for struct in structs for field in struct.__struct_fields__} - set(
        re.findall(r"`([a-z_0-9]+)`", page)
    )
    assert not missing
