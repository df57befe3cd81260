"""Every command and snippet of the README runs, in its order, on a few drawn photos."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_tree import every_command
from readme_commands import README, readme_commands, readme_server, readme_snippet

from geograph_types.cli.main import main

ELSEWHERE = {
    "geograph-types bundle build ": "tests/integration/test_bundle_build.py",
    "geograph-types export encoder ": "tests/conftest.py, for `two_layer_bundle`",
    "geograph-types archive run --engine ray ": "tests/integration/test_ray.py",
    "geograph-types serve ": "below",
    "pip install ": "tests/architecture/test_wheel.py and tests/acceptance/test_extras.py",
    "curl ": "below",
}
"""Commands that do not end, fetch, or take long, and where they run."""


def test_every_command_and_snippet_works(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(bundle, "model")
    with readme_server() as server:
        for line in readme_commands():
            if line.startswith(tuple(ELSEWHERE)):
                continue
            program, *words = shlex.split(line.replace("$SERVER", server.url))
            assert program == "geograph-types"
            assert main(words) == 0, f"{line}\n{capfd.readouterr().err}"
    assert server.answered() == set(server.rows)
    assert Path("page.html").stat().st_size > 10_000
    Path("photo.jpg").write_bytes(next(Path("photos").glob("*.jpg")).read_bytes())
    shown = [sys.executable, "-c", readme_snippet()]
    done = subprocess.run(shown, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Geograph" in done.stdout


def test_what_runs_elsewhere_is_in_the_readme() -> None:
    for start in ELSEWHERE:
        assert any(line.startswith(start) for line in readme_commands()), start


def test_the_service_is_asked_as_shown(
    start_service: Callable[..., Any], tiny_bundle: Path, photo: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "model")
    shutil.copy(photo, tmp_path / "photo.jpg")
    (shown,) = [line for line in readme_commands() if line.startswith("geograph-types serve ")]
    program, command, option, bundle, *options = shlex.split(shown)
    assert [program, command, option] == ["geograph-types", "serve", "--bundle"]
    service = start_service(tmp_path / bundle, *options)
    asked = [line for line in readme_commands() if line.startswith("curl ")]
    assert asked
    for line in asked:
        here = line.replace("127.0.0.1:8000", f"127.0.0.1:{service.port}")
        done = subprocess.run(shlex.split(here), cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["tags"]


def test_the_commands_on_top_are_targets_of_the_makefile() -> None:
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^    make ([\w-]+)", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert targets[:2] == ["demo", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_every_measured_figure_is_in_the_results_that_are_named() -> None:
    text = README.read_text(encoding="utf-8")
    (named,) = re.findall(r"\((benchmarks/results/\S+\.md)\)", text)
    results = (README.parent / named).read_text(encoding="utf-8")
    measured = set(re.findall(r"[\d.,]*\d", results))
    table = [
        line for line in text.splitlines() if re.search(r"\| `[a-z_]+\.py( --start)?` \|$", line)
    ]
    assert len(table) > 10
    for line in table:
        _, _, ours, others, *_ = line.split("|")
        figures = re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", f"{ours} {others}")
        assert figures
        assert set(figures) <= measured, line


def test_the_commands_of_the_demo_and_their_options_exist() -> None:
    """The demo itself runs in tests/acceptance/test_demo.py."""
    make = ["make", "--dry-run", "demo", "INSTALLED="]
    printed = subprocess.run(make, cwd=README.parent, capture_output=True, text=True, check=True)
    shown = re.findall(r"bin/geograph-types (.+)$", printed.stdout, re.MULTILINE)
    assert len(shown) >= 8
    known = every_command()
    for line in shown:
        words = line.split()
        command = known.get(" ".join(words[:2])) or known[words[0]]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line
