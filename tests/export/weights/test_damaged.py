"""Damaged, half-downloaded and hostile weight files: only `WeightsError` ever comes out.

The files are small, and of every form that is read. Truncations and alterations are seeded.
"""

import io
import pickle
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from geograph_types_export.errors import WeightsError
from geograph_types_export.weights.files import read_weight_file

TENSORS = {"visual.a": torch.ones(3, 4), "visual.b": torch.zeros(5).half()}
TRUNCATIONS = 120
ALTERATIONS = 300
MODULE = b"c__torch__\nModule\n)\x81"
"""Pickled: an empty module of a TorchScript archive."""


def legacy_form() -> bytes:
    file = io.BytesIO()
    torch.save(TENSORS, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def zip_form() -> bytes:
    file = io.BytesIO()
    torch.save(TENSORS, file)
    return file.getvalue()


def script_form() -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), file)
    return file.getvalue()


def safetensors_form() -> bytes:
    """Its header has 128 bytes, so that the file starts with the byte that a pickle starts with."""
    content: bytes = safetensors.torch.save(TENSORS)
    return content


FORMS: dict[str, Callable[[], bytes]] = {
    "legacy": legacy_form,
    "zip": zip_form,
    "script": script_form,
    "safetensors": safetensors_form,
}


def altered(content: bytes, chance: random.Random) -> bytes:
    """Change, take out or put in up to four bytes."""
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


def with_altered_pickle(content: bytes, chance: random.Random) -> bytes:
    """Alter an archive's pickle, and give it the right checksum."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, altered(part, chance) if name.endswith("/data.pkl") else part)
    return result.getvalue()


def read(path: Path, content: bytes) -> dict[str, Tensor] | None:
    """Read a file of this content; `None` where it is refused as it should be."""
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on what damage looks like
            return dict(read_weight_file(path).tensors)
    except WeightsError as error:
        text = str(error)
        assert text.startswith(f"weights {path}: ")
        assert "\n" not in text
        assert "; " in text, "it names no next step"
        return None


@pytest.mark.parametrize("form", FORMS)
def test_whole_files_are_read(form: str, tmp_path: Path) -> None:
    names = {"weight", "bias"} if form == "script" else set(TENSORS)
    tensors = read(tmp_path / "weights.pt", FORMS[form]())
    assert tensors is not None and set(tensors) == names


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_cut_off_anywhere_is_refused(form: str, tmp_path: Path) -> None:
    content = FORMS[form]()
    path = tmp_path / "weights.pt"
    for size in range(0, len(content), -(-len(content) // TRUNCATIONS)):
        assert read(path, content[:size]) is None, f"{size} of {len(content)} bytes were accepted"
    assert read(path, content[:-1]) is None


@pytest.mark.parametrize(
    ("form", "alter"),
    [
        *((form, altered) for form in FORMS),
        ("zip", with_altered_pickle),
        ("script", with_altered_pickle),
    ],
)
def test_altered_files_are_read_or_refused(
    form: str, alter: Callable[[bytes, random.Random], bytes], tmp_path: Path
) -> None:
    content, chance = FORMS[form](), random.Random(4)
    path = tmp_path / "weights.pt"
    results = [read(path, alter(content, chance)) for _ in range(ALTERATIONS)]
    assert results.count(None) > ALTERATIONS // 10


def script_archive(path: Path, pickled: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/constants.pkl", b"\x80\x02).")
        archive.writestr("a/data.pkl", pickled)
        archive.writestr("a/data/0", struct.pack("<f", 7.0))
    return path


def attribute(name: str) -> bytes:
    return b"X" + struct.pack("<I", len(name)) + name.encode()


def test_a_module_that_is_shared_at_every_level_is_entered_once(tmp_path: Path) -> None:
    # Each level holds the one below twice, so that 20 levels have a million paths.
    storage = b"(" + attribute("storage") + b"ctorch\nFloatStorage\n" + attribute("0")
    storage += attribute("cpu") + b"K\x01tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x01\x85K\x01\x85\x89NtR"
    pickled = b"\x80\x02" + MODULE + b"}" + attribute("weight") + tensor + b"sbq\x00"
    for level in range(1, 21):
        below = b"h" + bytes([level - 1])
        pickled += MODULE + b"}(" + attribute("a") + below + attribute("b") + below + b"ub"
        pickled += b"q" + bytes([level])
    tensors = read_weight_file(script_archive(tmp_path / "a.pt", pickled + b".")).tensors
    assert list(tensors) == ["a." * 20 + "weight"]
    assert tensors["a." * 20 + "weight"].item() == 7.0


def test_a_module_that_holds_itself_is_entered_once(tmp_path: Path) -> None:
    pickled = b"\x80\x02" + MODULE + b"q\x00}" + attribute("itself") + b"h\x00sb."
    assert read_weight_file(script_archive(tmp_path / "a.pt", pickled)).tensors == {}


def test_modules_nested_without_end_are_refused(tmp_path: Path) -> None:
    pickled = MODULE
    for _ in range(5000):
        pickled = MODULE + b"}" + attribute("a") + pickled + b"sb"
    path = script_archive(tmp_path / "a.pt", b"\x80\x02" + pickled + b".")
    with pytest.raises(WeightsError, match="RecursionError"):
        read_weight_file(path)


@pytest.mark.parametrize("keep", [b"r" + struct.pack("<I", 1 << 25), b"p%d\n" % (1 << 25)])
def test_an_archive_cannot_make_the_unpickler_take_memory(keep: bytes, tmp_path: Path) -> None:
    path = script_archive(tmp_path / "a.pt", b"\x80\x02" + MODULE + keep + b".")
    with pytest.raises(WeightsError, match="keeps a value under the number 33554432"):
        read_weight_file(path)


def test_a_pickle_of_more_than_tensors_is_refused_in_few_words(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(pickle.dumps(Path("x"), protocol=2))
    torch.save({"visual.a": torch.ones(1), "config": Path("x")}, tmp_path / "whole.pt")
    for name in ("model.pt", "whole.pt"):
        with pytest.raises(
            WeightsError, match=r"more than tensors \(.*PosixPath.*\); fetch"
        ) as info:
            read_weight_file(tmp_path / name)
        assert "weights_only" not in str(info.value)


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    for form, make in FORMS.items():
        for suffix in (".safetensors", ".pt", ""):
            assert read(tmp_path / f"weights{suffix}", make()) is not None, (form, suffix)
