"""The rooms that docs/architecture.md shows are those on disk."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TREE = re.compile(r"^    (\w+/\w+)/\n((?:      .+\n)+)", re.MULTILINE)
PACKAGES = {found[0]: found[1] for found in TREE.findall(PAGE)}
MOST_AT_THE_TOP = 14


def test_every_package_is_shown() -> None:
    found = {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("*/*/__init__.py")}
    assert {name for name in found if not name.startswith(("tests", "benchmarks"))} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_rooms_and_modules_that_are_shown_are_there(package: str) -> None:
    folder = ROOT / package
    rooms = {path.parent.name for path in folder.glob("*/*.py")}
    modules = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"^      (\w+)/", PACKAGES[package], re.MULTILINE)) == rooms
    assert set(re.findall(r"\w+\.py", PACKAGES[package])) == modules
    assert len(modules) <= MOST_AT_THE_TOP


def test_every_room_of_the_runtime_is_in_the_picture() -> None:
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    drawn = set(re.findall(r">(\w+)</text>", picture))
    rooms = {path.parent.name for path in (ROOT / "runtime" / "geograph_types").glob("*/*.py")}
    assert rooms <= drawn


def test_no_module_imports_itself_through_others() -> None:
    packages = [name.rpartition("/")[2] for name in PACKAGES]
    graph = grimp.build_graph(*packages)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 200
    TopologicalSorter(imports).prepare()
