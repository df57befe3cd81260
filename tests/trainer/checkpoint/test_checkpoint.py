"""Checkpoints of the released form are read and written; anything else is refused by name."""

import io
import json
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
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


class Call:
    """Pickles as a call that leaves a file behind when it is run."""

    def __init__(self, function: Callable[..., Any] = os.system, *arguments: Any) -> None:
        self.call = (function, arguments or (f"touch {CANARY}",))

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def contents(source: Path) -> dict[str, Any]:
    return dict(torch.load(source, weights_only=True))


NONE = object()
"""Stands for a `None` that is saved."""


def changed(source: Path, **values: Any) -> bytes:
    """Save the checkpoint again with other values; `None` leaves a key out."""
    merged = {
        key: None if value is NONE else value
        for key, value in (contents(source) | values).items()
        if value is not None
    }
    stream = io.BytesIO()
    torch.save(merged, stream)
    return stream.getvalue()


def weights(source: Path, **values: Any) -> bytes:
    """Save the checkpoint again with other weights, dots written as two underscores."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    state = contents(source)["model_state_dict"] | named
    return changed(source, model_state_dict={k: v for k, v in state.items() if v is not None})


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


def with_entry(source: Path, name: str, data: bytes) -> bytes:
    root = entry(source, "data.pkl").partition("/")[0]
    return zipped(parts(source) | {f"{root}/{name}": data})


def with_pickle(source: Path, edit: Callable[[bytes], bytes]) -> bytes:
    data = parts(source)[entry(source, "data.pkl")]
    edited = edit(data)
    assert edited != data
    return with_entry(source, "data.pkl", edited)


def replaced(source: Path, old: bytes, new: bytes) -> bytes:
    return with_pickle(source, lambda data: data.replace(old, new, 1))


def with_value(source: Path, opcodes: bytes) -> bytes:
    """Put what some opcodes build into the dictionary at the pickle's end."""
    return with_pickle(source, lambda data: data[:-1] + b"X\1\0\0\0x" + opcodes + b"s.")


def legacy(source: Path, values: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    torch.save(contents(source) | values, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def zip_bomb(source: Path) -> bytes:
    bomb, stream = entry(source, "data/1"), io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in parts(source).items():
            if name != bomb:
                archive.writestr(name, data)
        archive.writestr(bomb, b"\0" * (1 << 25), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def lying_directory(source: Path) -> bytes:
    """Have the archive's directory say that `data.pkl` is larger than the whole file."""
    data = bytearray(source.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 20 : at + 28] = (1 << 24).to_bytes(4, "little") * 2
    return bytes(data)


TOUCH = f"X\14\0\0\0touch {CANARY}".encode()
FC0_COUNT = b"J\x00\x10\x02\x00"
FC0_SHAPE = b"M\x00\x01M\x10\x02\x86"
FC0_STRIDE = b"M\x10\x02K\x01\x86"
STATE = "model_state_dict"

DOUBLED = b"".join(
    b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(200, 230)
)
"""Opcodes: pairs of pairs of pairs, two to the power of thirty in the end."""

Make = Callable[[Path], bytes]

HOSTILE: dict[str, tuple[Make, str]] = {
    # Calls.
    "call of os.system": (lambda s: changed(s, extra=Call()), "'posix.system'"),
    "call of eval": (
        lambda s: changed(s, extra=Call(eval, f"open('{CANARY}', 'w')")),
        "'__builtin__.eval'",
    ),
    "call in place of a weight": (lambda s: weights(s, fc__3__bias=Call()), "'posix.system'"),
    "call in the metadata": (
        lambda s: changed(s, model_state_dict=with_metadata(s, Call())),
        "'posix.system'",
    ),
    "pickle within the pickle": (
        lambda s: changed(s, extra=Call(pickle.loads, pickle.dumps(Call()))),
        "pickle.loads'",
    ),
    "call by INST": (lambda s: with_value(s, b"(" + TOUCH + b"ios\nsystem\n"), "'os.system'"),
    "call by STACK_GLOBAL": (
        lambda s: with_value(s, b"X\2\0\0\0osX\6\0\0\0system\x93" + TOUCH + b"\x85R"),
        "'os.system'",
    ),
    "call by the extension registry": (lambda s: with_value(s, b"\x82\x01)R"), "EXT1"),
    "object by NEWOBJ": (lambda s: with_value(s, b"ccollections\nOrderedDict\n)\x81"), "NEWOBJ"),
    "allowed function, other arguments": (
        lambda s: with_value(s, b"ccollections\nOrderedDict\n(" + TOUCH + b"tR"),
        "calls collections.OrderedDict with other arguments",
    ),
    "attributes set": (
        lambda s: with_value(s, b"ccollections\nOrderedDict\n)R}" + TOUCH + b"K\1sb"),
        "other attributes than _metadata",
    ),
    "legacy form": (lambda s: legacy(s, {}), "legacy form"),
    "legacy form with a call": (lambda s: legacy(s, {"extra": Call()}), "legacy form"),
    "bare pickle with a call": (lambda s: pickle.dumps(Call(), 2), "legacy form"),
    "old text pickle with a call": (lambda s: pickle.dumps(Call(), 0), "not a zip archive"),
    "zip behind a pickle": (
        lambda s: pickle.dumps(Call(), 2) + s.read_bytes(),
        "legacy form",
    ),
    "second pickle in the archive": (
        lambda s: with_entry(s, "constants.pkl", pickle.dumps(Call(), 2)),
        "constants.pkl",
    ),
    "code in the archive": (lambda s: with_entry(s, "code/model.py", b"1"), "code/model.py"),
    "pickle after the pickle": (
        lambda s: with_pickle(s, lambda d: d + pickle.dumps(Call(), 2)),
        "followed by other data",
    ),
    # Other kinds of tensors.
    "sparse tensor": (
        lambda s: weights(s, fc__3__bias=torch.ones(7).to_sparse()),
        "_rebuild_sparse_tensor",
    ),
    "half precision": (lambda s: weights(s, fc__3__bias=torch.ones(7).half()), "HalfStorage"),
    "parameter": (lambda s: weights(s, fc__3__bias=nn.Parameter(torch.ones(7))), "parameter"),
    "numpy number": (lambda s: changed(s, loss=np.float64(0.5)), "numpy"),
    "whole module": (lambda s: changed(s, model_state_dict=TypeHead()), "TypeHead"),
    # Time and memory without end.
    "value kept under a huge number": (
        lambda s: with_value(s, b"Nr\0\0\0\x7f"),
        "keeps a value under the number 2130706432",
    ),
    "key of tuples of tuples": (
        lambda s: with_value(s, b"K\1q\xc8" + DOUBLED + b"}h\xe6K\1s"),
        "uses tuples again 59 times",
    ),
    # Sizes that lie.
    "pickle claims a larger storage": (
        lambda s: replaced(s, FC0_COUNT, b"J\xff\xff\xff\x7f"),
        "its pickle says 8589934588",
    ),
    "pickle claims a larger tensor": (
        lambda s: replaced(s, FC0_SHAPE, b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"),
        "shape (2147483647, 2147483647)",
    ),
    "tensor repeats one number": (
        lambda s: replaced(s, FC0_STRIDE, b"K\x00K\x00\x86"),
        "strides (0, 0)",
    ),
    "tensor begins behind its storage": (
        lambda s: replaced(s, b"QK\0" + FC0_SHAPE, b"QK\1" + FC0_SHAPE),
        "does not fill",
    ),
    "storage cut short": (lambda s: with_entry(s, "data/1", b"\0" * 64), "data/1 has 64 bytes"),
    "storage missing": (
        lambda s: zipped({k: v for k, v in parts(s).items() if not k.endswith("data/1")}),
        "does not have",
    ),
    "directory claims more than the file": (lying_directory, "says that it holds"),
    "zip bomb": (zip_bomb, "data/1 is compressed (33554432 bytes once unpacked)"),
    "large file": (lambda s: with_entry(s, "data/1", b"\0" * (9 << 20)), "is larger than"),
    "long pickle": (lambda s: with_pickle(s, lambda d: d + b"\0" * (1 << 17)), "its pickle has"),
    "many files": (
        lambda s: zipped(parts(s) | {f"archive/data/{i}": b"" for i in range(100, 300)}),
        "more than 100",
    ),
    # Other contents.
    "wrong shape": (
        lambda s: weights(s, fc__0__weight=torch.zeros(256, 512)),
        "shape (256, 512), not (256, 528)",
    ),
    "table of 23 rows": (
        lambda s: weights(s, dist_emb__weight=torch.zeros(23, 16)),
        "shape (23, 16)",
    ),
    "weight missing": (lambda s: weights(s, fc__3__bias=None), "lacks fc.3.bias"),
    "weight more": (
        lambda s: weights(s, fc__4__bias=torch.ones(7)),
        "1 tensors too many, such as fc.4.bias",
    ),
    "weight that is no tensor": (lambda s: weights(s, fc__3__bias=1), "fc.3.bias is not a tensor"),
    "NaN": (lambda s: weights(s, fc__3__bias=torch.full((7,), torch.nan)), "holds NaN"),
    "infinity": (lambda s: weights(s, fc__3__bias=torch.full((7,), torch.inf)), "infinity"),
    **{
        f"without {key}": (lambda s, key=key: changed(s, **{key: None}), f"has no {key}")
        for key in ("model_state_dict", "classes", "dist_map", "clip_dim", "dist_embed_dim")
    },
    "classes in another order": (
        lambda s: changed(s, classes=sorted(CLASSES, reverse=True)),
        "classes",
    ),
    "another distance map": (
        lambda s: changed(s, dist_map=contents(s)["dist_map"] | {"Unknown": 23}),
        "dist_map",
    ),
    "another embedding": (lambda s: changed(s, clip_dim=768), "clip_dim"),
    "another distance embedding": (lambda s: changed(s, dist_embed_dim=8), "dist_embed_dim"),
    "epoch below 0": (lambda s: changed(s, epoch=-1), "epoch"),
    "loss not finite": (lambda s: changed(s, loss=float("nan")), "loss"),
    "no dictionary": (
        lambda s: with_pickle(s, lambda d: b"\x80\2]q\0."),
        "does not hold a dictionary",
    ),
    # Damage.
    "empty": (lambda s: b"", "is empty"),
    "text": (lambda s: b"not a checkpoint\n", "not a zip archive"),
    "truncated": (lambda s: s.read_bytes()[:-100], "damaged"),
    "cut in half": (lambda s: s.read_bytes()[: len(s.read_bytes()) // 2], "damaged"),
    "one flipped byte": (
        lambda s: s.read_bytes().replace(b"storage", b"storagf", 1),
        "damaged",
    ),
    "cut pickle": (lambda s: with_pickle(s, lambda d: d[:500]), "damaged"),
    "no pickle": (
        lambda s: zipped({k: v for k, v in parts(s).items() if not k.endswith("data.pkl")}),
        "no data.pkl",
    ),
    "pickle twice": (
        lambda s: zipped(parts(s), twice=entry(s, "data.pkl")),
        "data.pkl twice",
    ),
    "two folders": (lambda s: zipped(parts(s) | {"other/data.pkl": b"."}), "2 folders"),
    "big-endian": (lambda s: with_entry(s, "byteorder", b"big"), "byte order"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_checkpoints_are_refused_by_name(
    name: str, checkpoint: Path, tmp_path: Path
) -> None:
    make, words = HOSTILE[name]
    path = tmp_path / "hostile.pth"
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


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: None], ids=["folder", "missing"])
def test_what_is_no_file_is_refused(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "head.pth")
    with pytest.raises(CheckpointError, match="no such file"):
        read_checkpoint(tmp_path / "head.pth")


def test_damage_anywhere_is_refused_or_harmless(checkpoint: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    whole = checkpoint.read_bytes()
    pickled = whole.index(b"data.pkl") + 8
    spots = [
        *range(30),
        *range(pickled, pickled + 900, 7),
        *range(len(whole) - 1500, len(whole), 11),
    ]
    path = tmp_path / "damaged.pth"
    refused = 0
    for spot in spots:
        damaged = bytearray(whole)
        damaged[spot] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged)
        try:
            read_checkpoint(path)
        except CheckpointError:
            refused += 1
    assert refused > len(spots) // 2


class MinimalReader(nn.Module):
    """Geograph's own model, written from the description of the released heads."""

    def __init__(
        self, clip_dim: int, dist_embed_dim: int, classes: list[str], dist_map: dict[str, int]
    ) -> None:
        super().__init__()
        self.dist_emb = nn.Embedding(len(dist_map), dist_embed_dim)
        self.fc = nn.Sequential(
            nn.Linear(clip_dim + dist_embed_dim, 256),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(256, len(classes)),
        )

    def forward(self, embeddings: Tensor, distance: Tensor) -> Tensor:
        result: Tensor = self.fc(torch.cat([embeddings, self.dist_emb(distance)], dim=1))
        return result


def read_as_geograph_does(path: Path) -> tuple[MinimalReader, dict[str, Any]]:
    saved = torch.load(path)
    model = MinimalReader(
        clip_dim=saved["clip_dim"],
        dist_embed_dim=saved["dist_embed_dim"],
        classes=saved["classes"],
        dist_map=saved["dist_map"],
    )
    model.load_state_dict(saved["model_state_dict"])
    return model.eval(), saved


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
def test_geographs_own_loader_reads_what_is_written(tmp_path: Path) -> None:
    head = trained_head()
    save_checkpoint(head, tmp_path / "head.pth", epoch=4, loss=0.25)
    model, saved = read_as_geograph_does(tmp_path / "head.pth")
    inputs = some_inputs()
    direct = MinimalReader(512, 16, list(CLASSES), {str(i): i for i in range(24)}).eval()
    direct.load_state_dict(head.state_dict())
    assert torch.equal(model(*inputs), direct(*inputs))
    torch.testing.assert_close(model(*inputs), head(*inputs), rtol=0, atol=1e-5)
    assert (saved["epoch"], saved["loss"]) == (4, 0.25)
    assert saved["dist_map"]["Unknown"] == 22
    assert saved["dist_map"][""] == saved["dist_map"]["0"] == 0
    assert saved["dist_map"]["1048576"] == 21
    torch.optim.Adam(model.parameters()).load_state_dict(saved["optimizer_state_dict"])


@torch.no_grad()
def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    head = trained_head()
    path = tmp_path / "head.pth"
    save_checkpoint(head, path, epoch=4, loss=0.25)
    read = read_checkpoint(path)
    assert torch.equal(head(*some_inputs()), head_of(path)(*some_inputs()))
    assert (read.epoch, read.loss) == (4, 0.25)
    assert not head_of(path).training
    assert len(read.sha256) == 64


def test_writing_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "head.pth"
    for epoch in (1, 2):
        save_checkpoint(trained_head(), path, epoch=epoch, loss=0.1)
    assert read_checkpoint(path).epoch == 2
    assert [file.name for file in tmp_path.iterdir()] == ["head.pth"]


def test_reading_draws_nothing_from_the_generator(checkpoint: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        expected = torch.rand(3)
        torch.manual_seed(1)
        TypeHead.from_weights(read_checkpoint(checkpoint).weights)
        assert torch.equal(torch.rand(3), expected)


WRAPPED = {
    "compiled": "_orig_mod.",
    "distributed": "module.",
    "Lightning": "model.",
    "all": "model.module._orig_mod.module.",
}


@pytest.mark.parametrize("prefix", WRAPPED.values(), ids=list(WRAPPED))
def test_the_names_of_wrapped_models_are_understood(
    prefix: str, checkpoint: Path, tmp_path: Path
) -> None:
    state = contents(checkpoint)["model_state_dict"]
    wrapped = OrderedDict((prefix + name, value) for name, value in state.items())
    path = tmp_path / "wrapped.pth"
    path.write_bytes(changed(checkpoint, model_state_dict=wrapped))
    read = read_checkpoint(path).weights
    assert {name: values.tolist() for name, values in read.items()} == {
        name: values.tolist() for name, values in state.items()
    }


def without(*keys: str) -> Make:
    return lambda source: changed(source, **dict.fromkeys(keys))


BOOKKEEPING: dict[str, tuple[Make, tuple[int | None, float | None]]] = {
    "left out": (without("epoch", "loss", "optimizer_state_dict"), (None, None)),
    "None": (lambda s: changed(s, epoch=NONE, loss=NONE, optimizer_state_dict=NONE), (None, None)),
    "text": (lambda s: changed(s, epoch="the last", loss=["0.5", 1 << 70]), (None, None)),
    "numbers": (lambda s: changed(s, epoch=7, loss=0.125, seed=(1, 2.5, True)), (7, 0.125)),
}
"""What is beside the weights, and the epoch and loss that are read from it."""


@pytest.mark.parametrize("name", BOOKKEEPING)
def test_bookkeeping_is_optional_and_of_any_plain_type(
    name: str, checkpoint: Path, tmp_path: Path
) -> None:
    make, expected = BOOKKEEPING[name]
    path = tmp_path / "head.pth"
    path.write_bytes(make(checkpoint))
    read = read_checkpoint(path)
    assert (read.epoch, read.loss) == expected
    run = import_checkpoint(path, tmp_path / "run")
    export_checkpoint(tmp_path / "run", tmp_path / "again.pth")
    assert (tmp_path / "again.pth").exists()
    assert all(np.array_equal(run.weights[name], read.weights[name]) for name in run.weights)


@torch.no_grad()
def test_a_checkpoint_with_a_stepped_optimizer_is_read(tmp_path: Path) -> None:
    """The released files hold Adam's moments and module metadata beside the weights."""
    model = MinimalReader(512, 16, list(CLASSES), {str(i): i for i in range(24)})
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with torch.enable_grad():
        model(*some_inputs()).square().mean().backward()
    optimizer.step()
    source = tmp_path / "plain.pth"
    save_checkpoint(trained_head(), source, epoch=1, loss=0.5)
    path = tmp_path / "stepped.pth"
    state = model.state_dict()
    assert isinstance(state, OrderedDict) and hasattr(state, "_metadata")
    path.write_bytes(
        changed(source, model_state_dict=state, optimizer_state_dict=optimizer.state_dict())
    )
    found = head_of(path)(*some_inputs())
    torch.testing.assert_close(found, model.eval()(*some_inputs()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_released_heads_give_the_expected_probabilities(version: str, reference: Path) -> None:
    folder = reference / "released-heads"
    expected = json.loads((folder / "expected.json").read_text())
    head = head_of(folder / f"best_geograph_model_{version}.pth")
    found = head.probabilities(
        torch.from_numpy(np.load(folder / "inputs.npy")),
        torch.tensor(expected["distance_bucket"]),
    )
    assert np.abs(found.numpy() - np.array(expected["probabilities"][version])).max() <= 1e-6
