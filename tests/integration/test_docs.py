"""The pages of `docs`: their snippets run, their links lead somewhere, nothing is left unnamed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from geograph_types import manifest
from geograph_types.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
DOCS = sorted((ROOT / "docs").glob("*.md"))

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
