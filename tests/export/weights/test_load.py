"""Weights in every form and every kind of wrong."""

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import open_clip
import pytest
import safetensors.torch
import torch
from clip_layouts import distributed, full_model, hugging_face, plain_tower, training_checkpoint
from torch import Tensor, nn

from geograph_types_export.architecture import MODEL_NAME, TOWER_SHAPES
from geograph_types_export.errors import WeightsError
from geograph_types_export.weights import load as weights
from geograph_types_export.weights.activation import check_activation
from geograph_types_export.weights.files import WeightFile
from geograph_types_export.weights.load import load_weights


@pytest.fixture(scope="module")
def tower() -> dict[str, Tensor]:
    return plain_tower()


@pytest.fixture(scope="module")
def digest(tower: dict[str, Tensor]) -> str:
    return weights.weights_digest({key: tensor.float() for key, tensor in tower.items()})


class WholeModel(nn.Module):
    """A model with the tower under `visual`, as OpenAI's archive has it."""

    def __init__(self, tower: Mapping[str, Tensor], name: str) -> None:
        super().__init__()
        with torch.device("meta"):
            self.visual = open_clip.CLIP(**open_clip.get_model_config(name)).visual
        state = {key: tensor.float() for key, tensor in tower.items()}
        self.visual.load_state_dict(state, assign=True)

    def forward(self, image: Tensor) -> Tensor:
        embeds: Tensor = self.visual(image)
        return embeds


def save_script(tower: Mapping[str, Tensor], name: str, path: Path) -> None:
    model = WholeModel(tower, name).eval()
    with torch.no_grad():
        traced = torch.jit.trace(model, torch.zeros(1, 3, 224, 224), check_trace=False)
    torch.jit.save(traced, path)


@pytest.mark.parametrize(
    "layout", [dict, full_model, hugging_face, distributed, training_checkpoint]
)
def test_every_key_layout_gives_the_same_weights(
    layout: object, tower: dict[str, Tensor], digest: str, tmp_path: Path
) -> None:
    assert callable(layout)
    torch.save(layout(tower), tmp_path / "clip.pt")
    loaded = load_weights(str(tmp_path / "clip.pt"))
    assert loaded.sha256 == digest
    assert loaded.name == "clip.pt"
    assert not loaded.stand_in
    assert {key: tuple(tensor.shape) for key, tensor in loaded.state.items()} == TOWER_SHAPES
    assert {tensor.dtype for tensor in loaded.state.values()} == {torch.float32}


def test_safetensors_give_the_same_weights(
    tower: dict[str, Tensor], digest: str, tmp_path: Path
) -> None:
    path = tmp_path / "open_clip_model.safetensors"
    whole = {key: tensor.contiguous() for key, tensor in full_model(tower).items()}
    safetensors.torch.save_file(whole, path)
    assert load_weights(str(path)).sha256 == digest
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(WeightsError, match="cut off"):
        load_weights(str(path))
    path.unlink()


def test_a_torchscript_archive_gives_the_same_weights(
    tower: dict[str, Tensor], digest: str, tmp_path: Path
) -> None:
    path = tmp_path / "ViT-B-32.pt"
    save_script(tower, MODEL_NAME, path)
    assert load_weights(str(path)).sha256 == digest
    cut = tmp_path / "cut.pt"
    shutil.copy(path, cut)
    with cut.open("r+b") as file:
        file.truncate(path.stat().st_size * 2 // 3)
    with pytest.raises(WeightsError, match="fetch the file again"):
        load_weights(str(cut))


def test_a_torchscript_archive_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("evil/constants.pkl", b"\x80\x02).")
        archive.writestr("evil/data.pkl", b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(WeightsError, match=r"names os\.system"):
        load_weights(str(path))


def test_a_tower_with_another_activation_is_refused(
    tower: dict[str, Tensor], tmp_path: Path
) -> None:
    save_script(tower, "ViT-B-32", tmp_path / "ViT-B-32.pt")
    with pytest.raises(WeightsError, match="activation is gelu"):
        load_weights(str(tmp_path / "ViT-B-32.pt"))


def test_a_file_that_does_not_tell_its_activation_is_noted(
    tower: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(tower, tmp_path / "bare.pt")
    notice = load_weights(str(tmp_path / "bare.pt")).notice
    assert notice is not None and "nothing says which activation these weights need" in notice
    save_script(tower, "ViT-B-32-quickgelu", tmp_path / "ViT-B-32.pt")
    assert load_weights(str(tmp_path / "ViT-B-32.pt")).notice is None


@pytest.mark.parametrize(
    ("name", "config", "stated"),
    [
        ("config.json", {"vision_config": {"hidden_act": "quick_gelu"}}, True),
        ("config.json", {"vision_config": {"hidden_act": "gelu"}}, None),
        ("config.json", {"hidden_act": "gelu"}, None),
        ("config.json", {"architecture": "vit_base_patch32_clip_224"}, False),
        ("open_clip_config.json", {"model_cfg": {"embed_dim": 512, "quick_gelu": True}}, True),
        ("open_clip_config.json", {"model_cfg": {"embed_dim": 512}}, None),
    ],
)
def test_a_configuration_beside_the_file_tells_the_activation(
    name: str, config: object, stated: bool | None, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(json.dumps(config))
    file = WeightFile({})
    if stated is not None:
        assert check_activation(tmp_path / "pytorch_model.bin", file) is stated
    else:
        with pytest.raises(WeightsError, match="says that its activation is gelu"):
            check_activation(tmp_path / "pytorch_model.bin", file)


def wrong_architectures() -> dict[str, tuple[dict[str, Tensor], str]]:
    shapes = dict(TOWER_SHAPES)
    sixteen = shapes | {"conv1.weight": (768, 3, 16, 16), "positional_embedding": (197, 768)}
    large = {"class_embedding": (1024,), "conv1.weight": (1024, 3, 14, 14)}
    resnet = {"visual.conv1.weight": (32, 3, 3, 3), "visual.layer1.0.conv1.weight": (64, 32, 1, 1)}
    deep = shapes | {"transformer.resblocks.12.ln_1.weight": (768,)}
    shallow = {k: v for k, v in shapes.items() if ".11." not in k}
    return {
        "ViT-B-16": (zeros(sixteen), "patches of 16"),
        "ViT-L-14": (zeros(large), "width 1024 with patches of 14"),
        "RN50": (zeros(resnet), "ResNet"),
        "deeper": (zeros(deep), "unknown"),
        "shallower": (zeros(shallow), "12 tensors are missing"),
        "projection": (zeros(shapes | {"proj": (768, 768)}), r"proj is \(768, 768\)"),
        "another model": (zeros({"fc.weight": (7, 256)}), "not named as CLIP"),
    }


def zeros(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}


@pytest.mark.parametrize("name", list(wrong_architectures()))
def test_a_wrong_architecture_is_named(name: str, tmp_path: Path) -> None:
    state, message = wrong_architectures()[name]
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=message):
        load_weights(str(tmp_path / "model.pt"))


def test_hugging_face_weights_without_their_projection_are_refused(
    tower: dict[str, Tensor], tmp_path: Path
) -> None:
    state = hugging_face(tower)
    del state["visual_projection.weight"]
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match="CLIPVisionModelWithProjection"):
        load_weights(str(tmp_path / "model.pt"))


def test_weights_that_are_not_finite_are_refused(tower: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(tower | {"ln_post.bias": torch.full((768,), torch.nan)}, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=r"ln_post\.bias holds NaN"):
        load_weights(str(tmp_path / "model.pt"))


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        (torch.zeros(768, dtype=torch.int8), "int8"),
        (torch.zeros(768, dtype=torch.complex64), "complex64"),
        (torch.zeros(768).to(torch.float8_e4m3fn), "float8_e4m3fn"),
        (torch.zeros(768).to_sparse(), "sparse_coo"),
        (torch.zeros(768, device="meta"), "on meta"),
    ],
)
@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
def test_tensors_that_do_not_hold_plain_floats_are_refused(
    tensor: Tensor, kind: str, tower: dict[str, Tensor], tmp_path: Path
) -> None:
    message = rf"is not plain \(.*{kind}.*; save the weights as dense tensors of float16"
    torch.save(tower | {"ln_post.bias": tensor}, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=rf"ln_post\.bias {message}"):
        load_weights(str(tmp_path / "model.pt"))
    bias = "vision_model.encoder.layers.3.self_attn.k_proj.bias"
    torch.save(hugging_face(tower) | {bias: tensor}, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=rf"{bias} {message}"):
        load_weights(str(tmp_path / "model.pt"))


def test_values_that_float32_cannot_hold_are_refused(
    tower: dict[str, Tensor], tmp_path: Path
) -> None:
    large = torch.full((768,), 1e300, dtype=torch.float64)
    torch.save(tower | {"ln_post.bias": large}, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=r"ln_post\.bias holds NaN or infinity"):
        load_weights(str(tmp_path / "model.pt"))


def test_a_view_that_negates_is_read_as_its_values(
    tower: dict[str, Tensor], digest: str, tmp_path: Path
) -> None:
    negating = torch._neg_view(-tower["ln_post.bias"].float())
    assert negating.is_neg()
    torch.save(tower | {"ln_post.bias": negating}, tmp_path / "model.pt")
    assert load_weights(str(tmp_path / "model.pt")).sha256 == digest


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("vision_model.encoder.layers.0.self_attn.q_proj.weight", (10**6, 10**6)),
        ("vision_model.encoder.layers.0.self_attn.v_proj.bias", ()),
        ("visual_projection.weight", (512,)),
        ("visual_projection.weight", (1, 512, 768)),
    ],
)
def test_hugging_face_tensors_of_another_shape_are_refused(
    key: str, shape: tuple[int, ...], tower: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(hugging_face(tower) | {key: torch.zeros(()).expand(shape)}, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=r"another model .*give the weights of CLIP ViT-B/32"):
        load_weights(str(tmp_path / "model.pt"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"<!DOCTYPE html><html>not found</html>", "no weights file"),
        (b"PK\x03\x04 and then nothing of use", "cut off"),
        (b"\x80\x02 no pickle", "cut off, damaged, or holds more than tensors"),
        (b"\xff" * 8 + b'{"a":', "cut off"),
    ],
)
def test_what_is_no_weights_file_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        load_weights(str(tmp_path / "weights.pt"))


def test_a_state_dict_file_that_is_cut_off_is_refused(
    tower: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    torch.save(tower, path)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(WeightsError, match="cut off"):
        load_weights(str(path))


@pytest.mark.parametrize("spec", ["missing.pt", "ViT-B-32", "."])
def test_what_is_not_there_is_said_so(spec: str) -> None:
    with pytest.raises(WeightsError):
        load_weights(spec)


@pytest.mark.parametrize(
    "spec", ["random:", "random:x", "random:-1", "random:1.5", f"random:{'9' * 5000}"]
)
def test_a_seed_is_a_whole_number(spec: str) -> None:
    with pytest.raises(WeightsError, match="random:0"):
        load_weights(spec)
