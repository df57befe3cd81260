import re
import shutil
from pathlib import Path

import msgspec
import pytest
from dataset_rows import rows_of, write_lines

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
    made = tmp_path_factory.mktemp("docs")
    (made / "bundle").symlink_to(tiny_bundle)
    (made / "photo.jpg").write_bytes(photo.read_bytes())
    command = ["embed", str(scenes), "--labels", str(scenes / "labels.csv")]
    command += ["--bundle", str(tiny_bundle), "--out", str(made / "data.parquet")]
    assert main(command) == 0
    return made


@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=lambda page: page.name)
def test_python_snippets_run(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for snippet in PYTHON_BLOCK.findall(page.read_text(encoding="utf-8")):
        exec(compile(snippet, page.name, "exec"), {"__name__": "__main__"})


def test_the_commands_for_those_who_come_from_geographs_scripts(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "docs" / "from-geographs-scripts.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    write_lines(Path("types.jsonl.gz"), rows_of(64))
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
    fields = {field for struct in structs for field in struct.__struct_fields__}
    assert not fields - set(re.findall(r"`([a-z_0-9]+)`", page))
