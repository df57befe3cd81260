import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from clip_layouts import full_model, hugging_face, plain_tower, wrapped
from numpy.typing import NDArray
from torch import Tensor, nn

from geograph_types_export.architecture import MODEL_NAME, architecture_problem, tower_shapes
from geograph_types_export.errors import WeightsError
from geograph_types_export.weights import files
from geograph_types_export.weights.keys import StoredTensor, by_open_clip_keys
from geograph_types_export.weights.load import load_weights, weights_digest

Shapes = Mapping[str, tuple[int, ...]]


@pytest.fixture(scope="module")
def tower() -> dict[str, NDArray[np.float16]]:
    return plain_tower()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pt"


@pytest.fixture(scope="module")
def digest(tower: dict[str, NDArray[np.float16]]) -> str:
    return weights_digest({key: values.astype(np.float32) for key, values in tower.items()})


def digest_of(path: Path) -> str:
    loaded = load_weights(str(path))
    assert (loaded.name, loaded.stand_in) == (path.name, False)
    assert loaded.notice is not None and "taken as trained with QuickGELU" in loaded.notice
    assert {values.dtype for values in loaded.state.values()} == {np.dtype(np.float32)}
    path.unlink()
    return loaded.sha256


def in_memory(tensors: Mapping[str, NDArray[Any]]) -> dict[str, StoredTensor]:
    return {
        key: StoredTensor(values.shape, lambda values=values: values)  # type: ignore[misc]
        for key, values in tensors.items()
    }


@pytest.mark.parametrize("layout", [full_model, hugging_face])
def test_safetensors_are_read_in_both_layouts(
    layout: Callable[[Any], Any], tower: Any, digest: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(layout(tower), path)
    assert digest_of(path) == digest


def test_bfloat16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tensors = {f"visual.{k}": torch.ones(s).bfloat16() for k, s in tower_shapes().items()}
    safetensors.torch.save_file(tensors, path)
    ones = weights_digest({k: np.ones(s, np.float32) for k, s in tower_shapes().items()})
    assert digest_of(path) == ones


@pytest.mark.parametrize(
    "layout",
    [
        dict,
        *map(wrapped, ("module.", "_orig_mod.", "model.", "module._orig_mod.module.")),
        lambda tower: {f"module.{k}": v for k, v in hugging_face(tower).items()},
    ],
)
def test_wrapped_models_are_understood(layout: Callable[[Any], Any], tower: Any) -> None:
    found = by_open_clip_keys("file", in_memory(layout(tower)))
    assert found.keys() == tower.keys()
    assert all(np.array_equal(found[key].read(), tower[key]) for key in tower)


def repeated(values: NDArray[np.float16]) -> Tensor:
    """The same values, of which a file holds one column."""
    rows = torch.from_numpy(values.reshape(len(values), -1)[:, 0].copy())
    return rows.reshape(-1, *[1] * (values.ndim - 1)).expand(values.shape)


@pytest.fixture(scope="module")
def torch_tower(tower: dict[str, NDArray[np.float16]]) -> dict[str, Tensor]:
    return {key: repeated(values) for key, values in tower.items()}


@pytest.mark.parametrize("nested", [False, True])
def test_torch_files_are_read_where_torch_is(
    nested: bool, torch_tower: dict[str, Tensor], digest: str, tmp_path: Path
) -> None:
    negating = torch._neg_view(-torch_tower["ln_post.bias"].float())
    state = torch_tower | {"ln_post.bias": negating}
    torch.save({"epoch": 32, "state_dict": state} if nested else state, tmp_path / "clip.pt")
    assert digest_of(tmp_path / "clip.pt") == digest


def test_without_torch_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"visual.proj": torch.ones(2)}, path)
    monkeypatch.setitem(sys.modules, "torch", None)
    for part in (r"pip install 'geograph-types\[reference\]'", "open_clip_model.safetensors"):
        refused(path, part)


class WholeModel(nn.Module):
    """A model with the tower under `visual`, as OpenAI's archive has it."""

    def __init__(self, tower: Mapping[str, NDArray[np.float16]]) -> None:
        super().__init__()
        with torch.device("meta"):
            self.visual = open_clip.CLIP(**open_clip.get_model_config(MODEL_NAME)).visual
        state = {key: torch.from_numpy(v.astype(np.float32)) for key, v in tower.items()}
        self.visual.load_state_dict(state, assign=True)

    def forward(self, image: Tensor) -> Tensor:
        embeds: Tensor = self.visual(image)
        return embeds


def test_a_torchscript_archive_is_read_at_its_published_digest_only(
    tower: Any, digest: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = torch.zeros(1, 3, 224, 224)
    with torch.no_grad():
        torch.jit.trace(WholeModel(tower).eval(), pixels, check_trace=False).save(path)
    refused(path, r"other than OpenAI's own .*, and would run its code")
    monkeypatch.setattr(files, "ARCHIVE_SHA256", files.file_sha256(path))
    assert digest_of(path) == digest


SHAPES = tower_shapes()
WRONG: dict[str, tuple[Shapes, str]] = {
    "ViT-B-16": (SHAPES | {"conv1.weight": (768, 3, 16, 16)}, "patches of 16"),
    "ViT-L-14": ({"conv1.weight": (1024, 3, 14, 14)}, "width 1024 with patches of 14"),
    "RN50": ({"conv1.weight": (32, 3, 3, 3), "layer1.0.conv1.weight": (64,)}, "ResNet"),
    "deeper": (tower_shapes(13), "unknown"),
    "shallower": (tower_shapes(11), "12 tensors are missing"),
    "projection": (SHAPES | {"proj": (768, 768)}, r"proj is \(768, 768\)"),
}


def refused(path: Path, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        load_weights(str(path))


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_architecture_is_named(name: str, path: Path) -> None:
    shapes, message = WRONG[name]
    # As files declare them: any size in a few bytes.
    torch.save({f"visual.{key}": torch.zeros(()).expand(shapes[key]) for key in shapes}, path)
    refused(path, f"{message}.*give the weights of CLIP ViT-B/32")


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("vision_model.encoder.layers.0.self_attn.q_proj.weight", (10**6, 10**6)),
        ("vision_model.encoder.layers.0.self_attn.v_proj.bias", ()),
        ("visual_projection.weight", (512,)),
        ("visual_projection.weight", (1, 512, 768)),
    ],
)
def test_hugging_face_shapes_are_checked(key: str, shape: tuple[int, ...], tower: Any) -> None:
    tensors = in_memory(hugging_face(tower)) | {key: StoredTensor(shape, pytest.fail)}
    found = by_open_clip_keys("file", tensors)
    problem = architecture_problem({name: tensor.shape for name, tensor in found.items()})
    assert problem is not None and "another model" in problem


@pytest.mark.parametrize(
    ("without", "message"),
    [
        ("visual_projection.weight", "CLIPVisionModelWithProjection"),
        ("vision_model.encoder.layers.3.self_attn.k_proj.bias", r"has no .*3\.self_attn\.k_proj"),
        ("vision_model", "not named as CLIP's image tower"),
    ],
)
def test_what_lacks_a_part_is_refused(without: str, message: str, tower: Any) -> None:
    tensors = {k: v for k, v in hugging_face(tower).items() if not k.startswith(without)}
    with pytest.raises(WeightsError, match=message):
        by_open_clip_keys("file", in_memory(tensors))


ODD: dict[str, tuple[Tensor, str]] = {
    "int8": (torch.zeros(768, dtype=torch.int8), "int8"),
    "complex": (torch.zeros(768, dtype=torch.complex64), "complex64"),
    "float8": (torch.zeros(768).to(torch.float8_e4m3fn), "float8_e4m3fn"),
    "sparse": (torch.zeros(768).to_sparse(), "sparse_coo"),
    "without values": (torch.zeros(768, device="meta"), "on meta"),
    "NaN": (torch.full((768,), torch.nan), r"ln_post\.bias holds NaN"),
    "beyond float32": (torch.full((768,), 1e300, dtype=torch.float64), r"bias holds NaN or inf"),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
def test_only_plain_floats(name: str, torch_tower: dict[str, Tensor], path: Path) -> None:
    tensor, message = ODD[name]
    torch.save(torch_tower | {"ln_post.bias": tensor}, path)
    refused(path, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"<!DOCTYPE html><html>not found</html>", "not a weights file"),
        (b"PK\x03\x04 and then nothing of use", "cut off"),
        (b"\x80\x02 no pickle", "cut off, damaged, or holds more than floats"),
        (b"\xff" * 8 + b'{"a":', "cut off"),
    ],
)
def test_other_files_are_refused(content: bytes, message: str, path: Path) -> None:
    path.write_bytes(content)
    refused(path, message)


def test_only_files_and_whole_seeds_are_weights() -> None:
    for spec in ("missing.pt", "ViT-B-32", "."):
        refused(Path(spec), spec)
    for seed in ("", "x", "-1", "1.5", "9" * 5000):
        refused(Path(f"random:{seed}"), "random:0")
