"""What users expect of any program: defaults in a file, JSON, help with typing, darktable."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from geograph_types.bundle import Bundle
from geograph_types.cli.commands import installed_commands, load_command
from geograph_types.cli.config import defaults_of
from geograph_types.cli.main import main

PROGRAM: Final = [sys.executable, "-m", "geograph_types.cli"]
Run = Callable[..., subprocess.CompletedProcess[str]]


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.fixture
def config(bundle: Path, tmp_path: Path) -> Path:
    """Of another folder, to which its paths are relative."""
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "model").symlink_to(bundle)
    file = tmp_path / "settings" / "types.toml"
    lines = ["[tag]", 'bundle = "model"', "threshold = 0", 'exclude = ["z*", "c*"]', "exact = true"]
    file.write_text("\n".join([*lines, "[serve]", "port = 8123", 'allow-host = ["a.example"]']))
    return file


def test_defaults_come_from_a_file_and_options_come_before_them(
    config: Path, scenes: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out.jsonl"
    command = ["tag", scenes, "--config", config, "--out", out]
    run(*command, status=0)
    assert {len(row["tags"]) for row in rows(out)} == {7}
    assert len(rows(out)) < len(list(scenes.glob("*.jpg")))
    run(*command, "--exclude", "z*", status=2)  # fits nothing
    run(*command, "--threshold", "1", status=0)
    assert all(row["low_confidence"] for row in rows(out))


def test_the_file_of_the_users_folder_is_read_and_doctor_says_so(
    config: Path, bundle: Path, photo: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "config" / "geograph-types"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(config.read_text().replace("model", str(bundle)))
    home = os.environ | {"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}
    command = [*PROGRAM, "tag", str(photo), "--threshold", "0"]
    done = subprocess.run(command, env=home, capture_output=True, text=True)
    assert json.loads(done.stdout)["status"] == "ok", done.stderr
    found = subprocess.run([*PROGRAM, "doctor"], env=home, capture_output=True, text=True).stdout
    for setting in ("tag bundle", "tag exact", "serve port"):
        (line,) = [line for line in found.splitlines() if setting in line]
        assert f"(from {folder / 'config.toml'})" in line
    assert "8123" in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tgo]", "'tgo' is not a command with defaults: did you mean tag?"),
        ("[train]", "there are photils, serve, tag"),
        ("tag = 1", "write [tag]"),
        ('[tag]\nbundel = "m"', "'bundel' is not an option of 'tag': did you mean bundle?"),
        ('[tag]\nphotos = "m"', "'photos' is not an option of 'tag'"),
        ('[tag]\nconfig = "m"', "'config' is not an option of 'tag'"),
        ('[tag]\nthreshold = "high"', "tag.threshold: 'high' is not a valid float"),
        ("[tag]\nthreshold = nan", "tag.threshold: nan is not"),
        ("[tag]\njobs = 0", "tag.jobs: 0 is not in the range"),
        ("[tag]\nexclude = 3", "tag.exclude: write a list"),
        ('[tag]\nexclude = "z*"', "tag.exclude: write a list"),
        ("[tag]\nexclude = [[1]]", "tag.exclude: write a text in quotes, or a number"),
        ("[tag]\nexact = 1", "tag.exact: write true or false"),
        ("[tag]\nbundle = true", "tag.bundle: write a text in quotes"),
        ("[tag]\nthreshold = 2024-01-01", "tag.threshold: write a text in quotes"),
        ('[tag]\nbundle = "a\\u0000b"', "tag.bundle: embedded null"),
        ("[tag", "cannot be read as TOML"),
        ("\ud800", "cannot be read as TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_next_step(
    text: str, words: str, photo: Path, tmp_path: Path, run: Run
) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes(text.encode(errors="surrogatepass"))
    said = run("tag", photo, "--bundle", "model", "--config", file, status=2).stderr
    assert said.startswith(f"error: {file}")
    assert words in said
    assert words in run("doctor", "--config", file, status=2).stdout


@pytest.mark.parametrize("page", ["tag.md", "server.md"])
def test_files_of_defaults_in_the_docs_are_as_commands_take_them(
    page: str, tmp_path: Path, run: Run
) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text("utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "config.toml"
    file.write_text(shown)
    said = run("doctor", "--config", file, status=0).stdout
    assert f"{'tag' if page == 'tag.md' else 'serve'} bundle " in said


def test_the_service_takes_its_defaults_from_a_file(config: Path, run: Run) -> None:
    config.write_text('[serve]\nbundle = "model"\nhost = "0.0.0.0"\nport = 0\n')
    assert "0.0.0.0" in run("serve", "--config", config, status=2).stderr  # and no token


def test_a_path_may_start_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "c.toml"
    file.write_text('[tag]\nbundle = "~/model"\nout = "tags.csv"\n')
    command = load_command(installed_commands(), "tag")
    assert command
    found = {"bundle": tmp_path / "model", "out": tmp_path / "tags.csv"}
    assert defaults_of(command, file) == found


def test_json_is_written_whatever_the_bytes_of_a_name(run: Run) -> None:
    done = run("doctor", "--bundle", "bad\udce9", "--json", status=2)
    (found,) = [one for one in json.loads(done.stdout) if not one["good"]]
    assert "bad\\xe9" in found["state"]


def test_json_of_doctor_and_bundle_show(bundle: Path, config: Path, run: Run) -> None:
    done = run("doctor", "--bundle", bundle, "--config", config, "--json", status=0)
    found = {one["what"]: one for one in json.loads(done.stdout)}
    assert found["bundle"]["good"]
    assert str(config) in found["serve port"]["state"]
    shown = json.loads(run("bundle", "show", bundle, "--json", status=0).stdout)
    assert shown["name"] == Bundle.open(bundle).manifest.name
    assert {file["role"] for file in shown["files"]} >= {"encoder", "head"}


@pytest.mark.parametrize(
    ("words", "near"),
    [(["tga"], "tag"), (["bundel", "show"], "bundle"), (["bundle", "verfy"], "verify")],
)
def test_the_nearest_command_is_named(words: list[str], near: str, run: Run) -> None:
    assert f"Did you mean '{near}'?" in run(*words, status=2).stderr


def test_a_command_like_no_other_is_refused(run: Run) -> None:
    assert run("zzzzz", status=2).stderr.strip() == "error: No such command 'zzzzz'."


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("bun", "bundle"), ("bundle ver", "verify"), ("tag --sidecar", "--sidecar-name")],
)
def test_the_shell_completes(typed: str, offered: str) -> None:
    words = f"geograph-types {typed}"
    variables = {
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
        "_GEOGRAPH_TYPES_COMPLETE": "bash_complete",
    }
    program = Path(sys.executable).with_name("geograph-types")
    done = subprocess.run([program], env=os.environ | variables, capture_output=True, text=True)
    assert f"plain,{offered}" in done.stdout.splitlines()


@pytest.mark.parametrize("command", ["tag", "embed", "photils", "serve"])
def test_precision_is_that_of_the_encoder(
    command: str, bundle: Path, scenes: Path, photo: Path, tmp_path: Path, run: Run
) -> None:
    words: dict[str, list[object]] = {
        "tag": [photo],
        "embed": [scenes, "--labels", scenes / "labels.csv", "--out", tmp_path / "d.parquet"],
        "photils": ["-i", photo],
    }
    given = [command, *words.get(command, []), "--bundle", bundle, "--precision"]
    if command in words:
        run(*given, "fp32", status=0)
    assert "no int8 encoder" in run(*given, "int8", status=2).stderr


@pytest.fixture
def photils(bundle: Path, tmp_path: Path) -> Run:
    """As darktable's script calls it: a program `photils-cli`, through a shell, names in quotes."""
    program = tmp_path / "photils-cli"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m geograph_types.cli photils "$@"\n')
    program.chmod(0o755)
    folder = tmp_path / "config" / "geograph-types"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f'[photils]\nbundle = "{bundle}"\n')
    variables = os.environ | {"XDG_CONFIG_HOME": str(tmp_path / "config")}

    def call(image: Path, out: Path) -> subprocess.CompletedProcess[str]:
        line = f"{program} -c  -i '{image}' -o '{out}'"
        return subprocess.run(line, shell=True, env=variables, capture_output=True, text=True)

    return call


def test_darktable_gets_tags_with_their_probabilities(
    photils: Run, photo: Path, tmp_path: Path
) -> None:
    exported = tmp_path / "lua_aB3 x"  # a temporary name, without a suffix
    exported.write_bytes(photo.read_bytes())
    out = tmp_path / "lua_cD4"
    out.touch()
    assert photils(exported, out).returncode == 0
    pairs = [line.split(":") for line in out.read_text().splitlines()]
    assert {tag for tag, _ in pairs} >= {"Cross Grid", "Close Look", "From Drone", "Aerial"}
    shares = [float(share) for _, share in pairs]
    assert len(shares) == 7
    assert shares == sorted(shares, reverse=True)
    assert 0 <= min(shares) <= max(shares) <= 1


def test_darktable_is_told_that_a_photo_cannot_be_read(photils: Run, tmp_path: Path) -> None:
    (raw := tmp_path / "a.CR3").write_bytes(b"no photo")
    done = photils(raw, tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {raw}: ")
    assert not (tmp_path / "out").exists()


def test_without_c_only_the_tags_are_printed(bundle: Path, photo: Path, run: Run) -> None:
    lines = run("photils", "-i", photo, "--bundle", bundle, status=0).stdout.splitlines()
    assert lines
    assert not any(":" in line for line in lines)


def test_sidecars_of_either_name_are_written_and_taken_back(
    bundle: Path, photo: Path, tmp_path: Path
) -> None:
    (copy := tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    words = ["tag", str(copy), "--bundle", str(bundle), "--xmp", "--threshold", "0"]
    words += ["--out", str(tmp_path / "out.jsonl"), "--sidecar-name"]
    for chosen, other in (("photo.xmp", "photo.jpg.xmp"), ("photo.jpg.xmp", "photo.xmp")):
        assert main([*words, chosen]) == 0
        assert (tmp_path / chosen).exists()
        assert main([*words, other]) == 0  # into the one that is there
        assert not (tmp_path / other).exists()
        assert main(["sidecars", "undo", str(copy)]) == 0
        assert not (tmp_path / chosen).exists()
