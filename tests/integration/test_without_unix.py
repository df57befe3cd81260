"""The whole way without what Windows lacks, and with its code page, in every process of it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
import requests
from dataset_rows import rows_of, write_lines

WITHOUT: Final = Path(__file__).parents[1] / "support" / "without_unix"
SYSTEMS: Final = ("unix", "other")

Files: TypeAlias = dict[str, bytes]


def command(system: str) -> list[str]:
    variables = []
    if system == "other":
        path = os.pathsep.join(filter(None, [str(WITHOUT), os.environ.get("PYTHONPATH")]))
        # A file that is opened without an encoding, with that of the system, is a warning.
        variables = [f"PYTHONPATH={path}", "PYTHONIOENCODING=cp1252", "PYTHONWARNDEFAULTENCODING=1"]
    return ["env", *variables, sys.executable, "-m", "geograph_types.cli"]


def output_of(system: str, *words: object) -> bytes:
    done = subprocess.run([*command(system), *map(str, words)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert b"EncodingWarning" not in done.stderr
    return done.stdout + done.stderr


def files_of(folder: Path) -> Files:
    found = [path for path in folder.rglob("*") if path.is_file() and ".catalog" not in path.name]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture(scope="module", params=["tag", "score"])
def results(
    request: pytest.FixtureRequest,
    bundle: Path,
    scenes: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Files, Files]:
    """What each system makes of the same input at the same place."""
    made = []
    place = tmp_path_factory.mktemp("place") / "here"
    for system in SYSTEMS:
        shutil.copytree(scenes, place)
        shutil.copy(min(place.glob("*.jpg")), place / "Übung ☂.jpg")
        if request.param == "tag":
            words = ["tag", place, "--bundle", bundle, "--labels", place / "labels.csv"]
            words += ["--xmp", "--catalog", place / "c.catalog", "--report", place / "page.html"]
            output_of(system, *words, "--out", place / "tags.jsonl")
            again = output_of(system, *words, "--out", place / "tags.csv")
            assert b"\n0 photos opened, 15 taken" in again
            (place / "printed").write_bytes(output_of(system, *words))
            embed = ["embed", place, *words[2:6], "--out", place / "data.parquet"]
            output_of(system, *embed)
            output_of(system, "catalog", "stats", place / "c.catalog")
        else:
            rows = write_lines(place / "rows.jsonl", rows_of(300))
            os.utime(rows, (1, 1))  # which the Parquet file keeps
            output_of(system, "score", rows, "--bundle", bundle, "--out", place / "scores.jsonl")
            output_of(system, "score", rows, "--bundle", bundle, "--out", place / "scores.parquet")
            shown = output_of(system, "bundle", "verify", bundle)
            (place / "printed").write_bytes(shown + output_of(system, "bundle", "show", bundle))
        made.append(files_of(place))
        shutil.rmtree(place)
    return made[0], made[1]


def test_results_are_the_same(results: tuple[Files, Files]) -> None:
    ours, others = results
    assert "printed" in ours
    assert sorted(ours) == sorted(others)
    assert {n: ours[n] for n in ours if ours[n] != others[n]} == {}


def test_doctor_names_what_this_system_limits() -> None:
    assert b"60 s a photo and 1 GiB" in output_of("unix", "doctor")
    assert b"does not limit their memory" in output_of("other", "doctor")


def test_sidecars_are_taken_back(bundle: Path, scenes: Path, tmp_path: Path) -> None:
    photos = Path(shutil.copytree(scenes, tmp_path / "photos"))
    before = files_of(photos)
    output_of("other", "tag", photos, "--bundle", bundle, "--xmp", "--out", tmp_path / "t.jsonl")
    assert len(files_of(photos)) > len(before)
    output_of("other", "sidecars", "undo", photos)
    assert files_of(photos) == before


def test_bundles_are_made_and_serve_one_request(
    bundle: Path,
    checkpoint: Path,
    photo: Path,
    tmp_path: Path,
    start_service: Callable[..., Any],
) -> None:
    made = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    output_of("other", "export", "head", checkpoint, "--bundle", made)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    answers = []
    for system in SYSTEMS:
        service = start_service(made, program=command(system))
        answer = requests.post(
            f"{service.url}/tag", files={"photo": photo.read_bytes()}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        answers.append(json.loads(answer.content))
        service.process.terminate()
        assert service.process.wait(20) == 0
    assert answers[0] == answers[1]
