import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
Change = Callable[[list[dict[str, Any]]], None]


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", BENCHMARKS / script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    done = run("bench.py", "--quick", "--section", "size", "--results", folder)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_results_tables_and_charts_are_written_into_the_machines_folder(written: Path) -> None:
    results = json.loads(written.read_text())
    assert written.parent.name.endswith(f"-{results['before']['cpus']}-cpus")
    ends = (".json", ".md", "-size.png", "-size.svg")
    names = {f"{written.stem}{end}" for end in ends}
    assert {path.name for path in written.parent.iterdir()} == names
    section = results["sections"]["size"]
    ours = [figure for figure in section["figures"] if figure["ours"]]
    sizes = {figure["name"]: figure["spread"]["median"] for figure in section["figures"]}
    assert sizes["traced ONNX"] < sizes["ours"] < sizes["open_clip, without CUDA's libraries"]
    text = written.with_suffix(".md").read_text()
    row = f"| ours | {ours[0]['spread']['median']:,.0f} | 1.00 |"
    for words in ("## Installed size", row, "* ours: ", f"({written.stem}-size.svg)"):
        assert words in text
    chart = written.with_name(f"{written.stem}-size.svg").read_text()
    for figure in section["figures"]:
        assert f"{figure['spread']['median']:,.0f}</text>" in chart


def figure(name: str, ours: bool, middle: float, rounds: int = 9) -> dict[str, Any]:
    return {
        "group": "photos of 640 px",
        "name": name,
        "unit": "ms a photo",
        "ours": ours,
        "more_is_better": False,
        "rounds": rounds,
        "spread": {"low": 0.97 * middle, "median": middle, "high": 1.03 * middle},
    }


def as_rates(figures: list[dict[str, Any]]) -> None:
    for one in figures:
        low, high = one["spread"]["low"], one["spread"]["high"]
        one["spread"] = {"low": 1 / high, "median": 1 / one["spread"]["median"], "high": 1 / low}
        one["more_is_better"] = True


def scaled(factor: float, *indices: int) -> Change:
    def change(figures: list[dict[str, Any]]) -> None:
        for index in indices:
            for key in figures[index]["spread"]:
                figures[index]["spread"][key] *= factor

    return change


def compare_files(*paths: Path) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        from compare import main
    return CliRunner().invoke(main, [*map(str, paths)])


def compare(written: Path, folder: Path, change: Change, rates: bool = False) -> Result:
    results = json.loads(written.read_text())
    old = [figure("ours", True, 5.0), figure("ours twice", True, 8.0, 2), figure("its", False, 6.0)]
    old += [figure(name, False, 40.0) | {"group": "photos of 12 MP"} for name in ("its", "theirs")]
    new = deepcopy(old)
    change(new)
    paths = []
    for name, figures in (("old", old), ("new", new)):
        if rates:
            as_rates(figures)
        results["sections"]["size"]["figures"] = figures
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(json.dumps(results))
    return compare_files(*paths)


@pytest.mark.parametrize("rates", [False, True])
def test_a_slow_down_is_named(written: Path, tmp_path: Path, rates: bool) -> None:
    done = compare(written, tmp_path, scaled(1.2, 0), rates)
    assert done.exit_code == 1, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("worse: ")]
    assert line.startswith("worse: size, photos of 640 px, ours: ")
    assert "1.20 times as bad" in line


def quartiles_overlap(figures: list[dict[str, Any]]) -> None:
    scaled(1.2, 0)(figures)
    figures[0]["spread"]["low"] = 5.1


HARMLESS: dict[str, Change] = {
    "the same": lambda figures: None,
    "too little": scaled(1.08, 0),
    "faster": scaled(0.5, 0),
    "too few rounds for so little": scaled(1.2, 1),
    "another contender": scaled(1.5, 2),
    "quartiles overlap": quartiles_overlap,
    "the whole machine is slower": scaled(1.4, *range(5)),
    "the group is slower": scaled(1.3, 0, 2),
}


@pytest.mark.parametrize("rates", [False, True])
@pytest.mark.parametrize("name", HARMLESS)
def test_no_slow_down_raises_no_alarm(
    written: Path, tmp_path: Path, name: str, rates: bool
) -> None:
    done = compare(written, tmp_path, HARMLESS[name], rates)
    assert (done.exit_code, "worse: " in done.stdout) == (0, False), done.stdout


def test_a_figure_that_is_gone_is_named(written: Path, tmp_path: Path) -> None:
    done = compare(written, tmp_path, lambda figures: figures.pop(0))
    assert done.exit_code == 1
    assert "no longer measured: size, photos of 640 px, ours\n" in done.stdout


def test_what_cannot_be_compared_is_refused(written: Path, tmp_path: Path) -> None:
    whole = json.loads(written.read_text()) | {"quick": False}
    other = tmp_path / "other.json"
    for text, reason in (
        (json.dumps(whole), "one is a whole run and the other a quick one"),
        *((text, "is not a file of results") for text in ("{}", "\x00", "")),
    ):
        other.write_text(text)
        done = compare_files(written, other)
        assert done.exit_code == 2
        assert reason in done.stderr
        assert "Traceback" not in done.stderr
