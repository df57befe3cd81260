"""Damaged, half-downloaded and hostile weight files: only `WeightsError` ever comes out.

The files are small, and of every form that is read. Truncations and alterations are seeded.
"""

import io
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from geograph_types_export.errors import WeightsError
from geograph_types_export.weights.files import read_tower

TENSORS = {"visual.a": torch.ones(3, 4), "visual.b": torch.zeros(5).half()}
TRUNCATIONS = 60
ALTERATIONS = 150
WHOLE = "another model"
"""What is said of a file that can be read; its tensors are not a tower's."""


def saved(**options: object) -> bytes:
    file = io.BytesIO()
    torch.save(TENSORS, file, **options)
    return file.getvalue()


FORMS: dict[str, bytes] = {
    "legacy": saved(_use_new_zipfile_serialization=False),
    "zip": saved(),
    # Its header has 128 bytes, so that the file starts with the byte that a pickle starts with.
    "safetensors": safetensors.torch.save(TENSORS),
}


def altered(content: bytes, chance: random.Random) -> bytes:
    result = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 4])):
        at = chance.randrange(len(result))
        kind = chance.random()
        if kind < 0.6:
            result[at] = chance.randrange(256)
        elif kind < 0.8:
            del result[at : at + chance.randrange(1, 5)]
        else:
            result[at:at] = bytes([chance.randrange(256)])
    return bytes(result)


def said_of(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_tower(path)
    text = str(caught.value)
    assert text.startswith(f"weights {path}: ")
    assert "\n" not in text
    assert "; " in text, "it names no next step"
    return text


@pytest.mark.parametrize("form", FORMS)
def test_the_form_is_told_by_the_contents(form: str, tmp_path: Path) -> None:
    for suffix in (".safetensors", ".pt", ""):
        assert WHOLE in said_of(tmp_path / f"weights{suffix}", FORMS[form])


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_cut_off_anywhere_is_refused(form: str, tmp_path: Path) -> None:
    content = FORMS[form]
    step = -(-len(content) // TRUNCATIONS)
    for size in [*range(0, len(content), step), len(content) - 1]:
        assert WHOLE not in said_of(tmp_path / "weights.pt", content[:size])


@pytest.mark.parametrize("form", FORMS)
def test_altered_files_are_read_or_refused(form: str, tmp_path: Path) -> None:
    chance, path = random.Random(4), tmp_path / "weights.pt"
    said = [said_of(path, altered(FORMS[form], chance)) for _ in range(ALTERATIONS)]
    assert sum(WHOLE not in text for text in said) > ALTERATIONS // 10


class Call:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, ("touch ran",)


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    torch.save({"visual.a": torch.ones(1), "extra": Call()}, path)
    for content in (path.read_bytes(), pickle.dumps(Call(), 2)):
        said = said_of(path, content)
        assert "more than floats (" in said and "system" in said
        assert "weights_only" not in said
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("evil/constants.pkl", b"\x80\x02).")
        archive.writestr("evil/data.pkl", b"cos\nsystem\n(S'touch ran'\ntR.")
    assert "TorchScript archive other than OpenAI's own" in said_of(path, path.read_bytes())
    assert not (tmp_path / "ran").exists()
