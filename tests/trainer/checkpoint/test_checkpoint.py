import io
import json
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.checkpoint.convert import export_checkpoint, import_checkpoint
from geograph_types_trainer.checkpoint.read import CheckpointError, read_checkpoint
from geograph_types_trainer.checkpoint.write import save_checkpoint
from geograph_types_trainer.head import TypeHead

CANARY = "canary"
Make = Callable[[Path], bytes]


class Call:
    """Pickles as a call that leaves a file behind when it is run."""

    def __init__(self, function: Callable[..., Any] = os.system, *arguments: Any) -> None:
        self.call = (function, arguments or (f"touch {CANARY}",))

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "head.pth"


def contents(source: Path) -> dict[str, Any]:
    return dict(torch.load(source, weights_only=True))


NONE = object()
"""Stands for a `None` that is saved."""


def changed(**values: Any) -> Make:
    """Save the checkpoint again with other values; `None` leaves a key out."""

    def make(source: Path) -> bytes:
        merged = contents(source) | values
        kept = {key: value for key, value in merged.items() if value is not None}
        return saved({key: None if value is NONE else value for key, value in kept.items()})

    return make


def saved(values: object, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(values, stream, **options)
    return stream.getvalue()


def legacy(**values: Any) -> Make:
    return lambda s: saved(contents(s) | values, _use_new_zipfile_serialization=False)


def weights(**values: Any) -> Make:
    """Save the checkpoint again with other weights, dots written as two underscores."""
    named = {name.replace("__", "."): value for name, value in values.items()}

    def make(source: Path) -> bytes:
        state = contents(source)["model_state_dict"] | named
        kept = {name: value for name, value in state.items() if value is not None}
        return changed(model_state_dict=kept)(source)

    return make


def with_metadata(source: Path, metadata: object) -> OrderedDict[str, Tensor]:
    state = OrderedDict(contents(source)["model_state_dict"])
    state.__dict__["_metadata"] = metadata
    return state


def parts(source: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(source) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes], twice: str | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        if twice:
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr(twice, files[twice])
    return stream.getvalue()


def entry(source: Path, name: str) -> str:
    return next(full for full in parts(source) if full.partition("/")[2] == name)


def with_entry(name: str, data: bytes) -> Make:
    def make(source: Path) -> bytes:
        root = entry(source, "data.pkl").partition("/")[0]
        return zipped(parts(source) | {f"{root}/{name}": data})

    return make


def with_pickle(edit: Callable[[bytes], bytes]) -> Make:
    def make(source: Path) -> bytes:
        data = parts(source)[entry(source, "data.pkl")]
        edited = edit(data)
        assert edited != data
        return with_entry("data.pkl", edited)(source)

    return make


def replaced(old: bytes, new: bytes) -> Make:
    return with_pickle(lambda data: data.replace(old, new, 1))


def with_value(opcodes: bytes) -> Make:
    """Put what some opcodes build into the dictionary at the pickle's end."""
    return with_pickle(lambda data: data[:-1] + b"X\1\0\0\0x" + opcodes + b"s.")


def zip_bomb(source: Path) -> bytes:
    bomb, stream = entry(source, "data/1"), io.BytesIO(without_entry("data/1")(source))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(bomb, b"\0" * (1 << 25), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def lying_directory(source: Path) -> bytes:
    """Have the archive's directory say that `data.pkl` is larger than the whole file."""
    data = bytearray(source.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 20 : at + 28] = (1 << 24).to_bytes(4, "little") * 2
    return bytes(data)


def without_entry(end: str) -> Make:
    return lambda source: zipped({k: v for k, v in parts(source).items() if not k.endswith(end)})


TOUCH = f"X\14\0\0\0touch {CANARY}".encode()
FC0_COUNT = b"J\x00\x10\x02\x00"
FC0_SHAPE = b"M\x00\x01M\x10\x02\x86"
FC0_STRIDE = b"M\x10\x02K\x01\x86"
STATE = "model_state_dict"

DOUBLED = b"".join(
    b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(200, 230)
)
"""Opcodes: pairs of pairs of pairs, two to the power of thirty in the end."""

HOSTILE: list[tuple[Make, str]] = [
    # Calls.
    (changed(extra=Call()), "'posix.system'"),
    (changed(extra=Call(eval, f"open('{CANARY}', 'w')")), "'__builtin__.eval'"),
    (weights(fc__3__bias=Call()), "'posix.system'"),
    (lambda s: changed(model_state_dict=with_metadata(s, Call()))(s), "'posix.system'"),
    (changed(extra=Call(pickle.loads, pickle.dumps(Call()))), "pickle.loads'"),
    (with_value(b"(" + TOUCH + b"ios\nsystem\n"), "'os.system'"),
    (with_value(b"X\2\0\0\0osX\6\0\0\0system\x93" + TOUCH + b"\x85R"), "'os.system'"),
    (with_value(b"\x82\x01)R"), "EXT1"),
    (with_value(b"ccollections\nOrderedDict\n)\x81"), "NEWOBJ"),
    (
        with_value(b"ccollections\nOrderedDict\n(" + TOUCH + b"tR"),
        "calls collections.OrderedDict with other arguments",
    ),
    (
        with_value(b"ccollections\nOrderedDict\n)R}" + TOUCH + b"K\1sb"),
        "other attributes than _metadata",
    ),
    (legacy(), "legacy form"),
    (legacy(extra=Call()), "legacy form"),
    (lambda s: pickle.dumps(Call(), 2), "legacy form"),
    (lambda s: pickle.dumps(Call(), 0), "not a zip archive"),
    (lambda s: pickle.dumps(Call(), 2) + s.read_bytes(), "legacy form"),
    (with_entry("constants.pkl", pickle.dumps(Call(), 2)), "constants.pkl"),
    (with_entry("code/model.py", b"1"), "code/model.py"),
    (with_pickle(lambda d: d + pickle.dumps(Call(), 2)), "followed by other data"),
    # Other kinds of tensors.
    (weights(fc__3__bias=torch.ones(7).to_sparse()), "_rebuild_sparse_tensor"),
    (weights(fc__3__bias=torch.ones(7).half()), "HalfStorage"),
    (weights(fc__3__bias=nn.Parameter(torch.ones(7))), "parameter"),
    (changed(loss=np.float64(0.5)), "numpy"),
    (changed(model_state_dict=TypeHead()), "TypeHead"),
    # Time and memory without end.
    (with_value(b"Nr\0\0\0\x7f"), "keeps a value under the number 2130706432"),
    (with_value(b"K\1q\xc8" + DOUBLED + b"}h\xe6K\1s"), "uses tuples again 59 times"),
    # Sizes that lie.
    (replaced(FC0_COUNT, b"J\xff\xff\xff\x7f"), "its pickle says 8589934588"),
    (
        replaced(FC0_SHAPE, b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"),
        "shape (2147483647, 2147483647)",
    ),
    (replaced(FC0_STRIDE, b"K\x00K\x00\x86"), "strides (0, 0)"),
    (replaced(b"QK\0" + FC0_SHAPE, b"QK\1" + FC0_SHAPE), "does not fill"),
    (with_entry("data/1", b"\0" * 64), "data/1 has 64 bytes"),
    (without_entry("data/1"), "does not have"),
    (lying_directory, "says that it holds"),
    (zip_bomb, "data/1 is compressed (33554432 bytes once unpacked)"),
    (with_entry("data/1", b"\0" * (9 << 20)), "is larger than"),
    (with_pickle(lambda d: d + b"\0" * (1 << 17)), "its pickle has"),
    (
        lambda s: zipped(parts(s) | {f"archive/data/{i}": b"" for i in range(100, 300)}),
        "more than 100",
    ),
    # Other contents.
    (weights(fc__0__weight=torch.zeros(256, 512)), "shape (256, 512), not (256, 528)"),
    (weights(dist_emb__weight=torch.zeros(23, 16)), "shape (23, 16)"),
    (weights(fc__3__bias=None), "lacks fc.3.bias"),
    (weights(fc__4__bias=torch.ones(7)), "1 tensors too many, such as fc.4.bias"),
    (weights(fc__3__bias=1), "fc.3.bias is not a tensor"),
    (weights(fc__3__bias=torch.full((7,), torch.nan)), "holds NaN"),
    (weights(fc__3__bias=torch.full((7,), torch.inf)), "infinity"),
    *(
        (changed(**{key: None}), f"has no {key}")
        for key in ("model_state_dict", "classes", "dist_map", "clip_dim", "dist_embed_dim")
    ),
    (changed(classes=sorted(CLASSES, reverse=True)), "classes"),
    (lambda s: changed(dist_map=contents(s)["dist_map"] | {"Unknown": 23})(s), "dist_map"),
    (changed(clip_dim=768), "clip_dim"),
    (changed(dist_embed_dim=8), "dist_embed_dim"),
    (changed(epoch=-1), "epoch"),
    (changed(loss=float("nan")), "loss"),
    (with_pickle(lambda d: b"\x80\2]q\0."), "does not hold a dictionary"),
    # Damage.
    (lambda s: b"", "is empty"),
    (lambda s: b"not a checkpoint\n", "not a zip archive"),
    (lambda s: s.read_bytes()[:-100], "damaged"),
    (lambda s: s.read_bytes()[: len(s.read_bytes()) // 2], "damaged"),
    (lambda s: s.read_bytes().replace(b"storage", b"storagf", 1), "damaged"),
    (with_pickle(lambda d: d[:500]), "damaged"),
    (without_entry("data.pkl"), "no data.pkl"),
    (lambda s: zipped(parts(s), twice=entry(s, "data.pkl")), "data.pkl twice"),
    (lambda s: zipped(parts(s) | {"other/data.pkl": b"."}), "2 folders"),
    (with_entry("byteorder", b"big"), "byte order"),
]


@pytest.mark.parametrize(("make", "words"), HOSTILE, ids=[words for _, words in HOSTILE])
def test_hostile_files_are_refused(make: Make, words: str, checkpoint: Path, path: Path) -> None:
    path.write_bytes(make(checkpoint))
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path(CANARY).exists()


def test_the_canary_would_appear() -> None:
    pickle.loads(pickle.dumps(Call(), 2))
    assert Path(CANARY).exists()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for folder_or_missing in (tmp_path, tmp_path / "missing.pth"):
        with pytest.raises(CheckpointError, match="no such file"):
            read_checkpoint(folder_or_missing)


def test_damage_anywhere_is_refused_or_harmless(checkpoint: Path, path: Path) -> None:
    generator = np.random.default_rng(3)
    whole = checkpoint.read_bytes()
    pickled = whole.index(b"data.pkl") + 8
    end = len(whole)
    spots = [*range(30), *range(pickled, pickled + 900, 7), *range(end - 1500, end, 11)]
    refused = 0
    for spot in spots:
        change = int(generator.integers(1, 256))
        path.write_bytes(whole[:spot] + bytes([whole[spot] ^ change]) + whole[spot + 1 :])
        with suppress(CheckpointError):
            read_checkpoint(path)
            continue
        refused += 1
    assert refused > len(spots) // 2


class MinimalReader(nn.Module):
    """Geograph's own model, written from the description of the released heads."""

    def __init__(self, saved: dict[str, Any]) -> None:
        super().__init__()
        self.dist_emb = nn.Embedding(len(saved["dist_map"]), saved["dist_embed_dim"])
        self.fc = nn.Sequential(
            nn.Linear(saved["clip_dim"] + saved["dist_embed_dim"], 256),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(256, len(saved["classes"])),
        )
        self.load_state_dict(saved["model_state_dict"])
        self.eval()

    def forward(self, embeddings: Tensor, distance: Tensor) -> Tensor:
        result: Tensor = self.fc(torch.cat([embeddings, self.dist_emb(distance)], dim=1))
        return result


def trained_head() -> TypeHead:
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return TypeHead().eval()


def head_of(path: Path) -> TypeHead:
    return TypeHead.from_weights(read_checkpoint(path).weights)


def some_inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(46, 512, generator=generator) / 2, torch.arange(46) % 23


@torch.no_grad()
def test_geographs_own_loader_reads_what_is_written(path: Path) -> None:
    head = trained_head()
    save_checkpoint(head, path, epoch=4, loss=0.25)
    saved = torch.load(path)
    model, inputs = MinimalReader(saved), some_inputs()
    pairs = zip(head.parameters(), model.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
    torch.testing.assert_close(model(*inputs), head(*inputs), rtol=0, atol=1e-5)
    assert (saved["epoch"], saved["loss"]) == (4, 0.25)
    numbers = {"Unknown": 22, "": 0, "0": 0, "1048576": 21}
    assert saved["dist_map"] == saved["dist_map"] | numbers
    torch.optim.Adam(model.parameters()).load_state_dict(saved["optimizer_state_dict"])


@torch.no_grad()
def test_what_is_written_is_read_back(path: Path) -> None:
    head = trained_head()
    for epoch in (1, 4):  # the second replaces the first as a whole
        save_checkpoint(head, path, epoch=epoch, loss=0.25)
    read = read_checkpoint(path)
    assert torch.equal(head(*some_inputs()), head_of(path)(*some_inputs()))
    assert (read.epoch, read.loss) == (4, 0.25)
    assert not head_of(path).training
    assert len(read.sha256) == 64
    assert [file.name for file in path.parent.iterdir()] == ["head.pth"]


def test_reading_draws_nothing_from_the_generator(checkpoint: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        expected = torch.rand(3)
        torch.manual_seed(1)
        TypeHead.from_weights(read_checkpoint(checkpoint).weights)
        assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    "prefix", ["_orig_mod.", "module.", "model.", "model.module._orig_mod.module."]
)
def test_wrapped_models_are_understood(prefix: str, checkpoint: Path, path: Path) -> None:
    state = contents(checkpoint)["model_state_dict"]
    wrapped = OrderedDict((prefix + name, value) for name, value in state.items())
    path.write_bytes(changed(model_state_dict=wrapped)(checkpoint))
    read = read_checkpoint(path).weights
    assert read.keys() == state.keys()
    assert all(np.array_equal(read[name], values) for name, values in state.items())


BOOKKEEPING: list[tuple[dict[str, Any], tuple[int | None, float | None]]] = [
    ({"epoch": None, "loss": None, "optimizer_state_dict": None}, (None, None)),
    ({"epoch": NONE, "loss": NONE, "optimizer_state_dict": NONE}, (None, None)),
    ({"epoch": "the last", "loss": ["0.5", 1 << 70]}, (None, None)),
    ({"epoch": 7, "loss": 0.125, "seed": (1, 2.5, True)}, (7, 0.125)),
]
"""What is beside the weights, and the epoch and loss that are read from it."""


@pytest.mark.parametrize(("values", "expected"), BOOKKEEPING)
def test_bookkeeping_is_optional_and_of_any_plain_type(
    values: dict[str, Any], expected: object, checkpoint: Path, path: Path
) -> None:
    path.write_bytes(changed(**values)(checkpoint))
    read = read_checkpoint(path)
    assert (read.epoch, read.loss) == expected
    run = import_checkpoint(path, path.with_name("run"))
    export_checkpoint(path.with_name("run"), path.with_name("again.pth"))
    assert path.with_name("again.pth").exists()
    assert all(np.array_equal(run.weights[name], read.weights[name]) for name in run.weights)


@torch.no_grad()
def test_a_checkpoint_with_a_stepped_optimizer_is_read(checkpoint: Path, path: Path) -> None:
    """The released files hold Adam's moments and module metadata beside the weights."""
    model = MinimalReader(contents(checkpoint))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with torch.enable_grad():
        model(*some_inputs()).square().mean().backward()
    optimizer.step()
    state = model.state_dict()
    assert hasattr(state, "_metadata")
    stepped = {"model_state_dict": state, "optimizer_state_dict": optimizer.state_dict()}
    path.write_bytes(changed(**stepped)(checkpoint))
    found = head_of(path)(*some_inputs())
    torch.testing.assert_close(found, model(*some_inputs()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_released_heads_give_the_expected_probabilities(version: str, reference: Path) -> None:
    folder = reference / "released-heads"
    expected = json.loads((folder / "expected.json").read_text())
    head = head_of(folder / f"best_geograph_model_{version}.pth")
    inputs = torch.from_numpy(np.load(folder / "inputs.npy"))
    found = head.probabilities(inputs, torch.tensor(expected["distance_bucket"]))
    assert np.abs(found.numpy() - np.array(expected["probabilities"][version])).max() <= 1e-6
