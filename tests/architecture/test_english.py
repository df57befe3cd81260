"""Plain English: docstrings that say what a function returns, messages without odd phrases."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("runtime", "trainer", "export", "benchmarks", "tests", "docs")
SUFFIXES = {".py", ".md", ".html", ".js"}

ODD = re.compile(
    r'"""(Give(?! up)|Say|Tell) |this is no request of|cannot be had|could not be had|begun anew'
    r"|does not do for|mind the spelling|have all drives at hand|gone on with|each its own"
    r"|may have to be taken out of|>For programs<"
)


def test_no_page_or_module_has_an_odd_phrase() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    files += ROOT.glob("*.md")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        if path.suffix in SUFFIXES and path not in (Path(__file__), ROOT / "CHANGELOG.md")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if ODD.search(line)
    ]
    assert not found, "\n".join(found)
