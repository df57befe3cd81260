"""Weights in every form and every kind of wrong; tensors are tiny on disk, as one row repeated."""

import json
import shutil
import threading
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import open_clip
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from geograph_types_export import openai, weights
from geograph_types_export.activation import check_activation
from geograph_types_export.architecture import LAYERS, MODEL_NAME, TOWER_SHAPES
from geograph_types_export.errors import WeightsError
from geograph_types_export.weight_files import WeightFile
from geograph_types_export.weights import EncoderWeights, load_weights


def pattern(shape: tuple[int, ...]) -> Tensor:
    """Rows that differ, exact in float16; repeated columns take no room in a saved file."""
    rows = (torch.arange(shape[0]) % 251).half() / 256
    return rows.reshape(-1, *[1] * (len(shape) - 1)).expand(shape)


@pytest.fixture(scope="module")
def tower() -> dict[str, Tensor]:
    return {key: pattern(shape) for key, shape in TOWER_SHAPES.items()}


@pytest.fixture(scope="module")
def digest(tower: dict[str, Tensor]) -> str:
    return weights.weights_digest({key: tensor.float() for key, tensor in tower.items()})


def full_model(tower: Mapping[str, Tensor]) -> dict[str, Tensor]:
    text = {"positional_embedding": torch.zeros(77, 512), "logit_scale": torch.zeros(())}
    return {f"visual.{key}": tensor for key, tensor in tower.items()} | text


def hugging_face(tower: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state = {
        "vision_model.embeddings.class_embedding": tower["class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": tower["conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": tower["positional_embedding"],
        "vision_model.embeddings.position_ids": torch.arange(50)[None],
        "visual_projection.weight": tower["proj"].T,
        "text_model.final_layer_norm.bias": torch.zeros(512),
    }
    names = {"vision_model.pre_layrnorm": "ln_pre", "vision_model.post_layernorm": "ln_post"}
    for i in range(LAYERS):
        theirs, ours = f"vision_model.encoder.layers.{i}", f"transformer.resblocks.{i}"
        names |= {
            f"{theirs}.layer_norm1": f"{ours}.ln_1",
            f"{theirs}.layer_norm2": f"{ours}.ln_2",
            f"{theirs}.mlp.fc1": f"{ours}.mlp.c_fc",
            f"{theirs}.mlp.fc2": f"{ours}.mlp.c_proj",
            f"{theirs}.self_attn.out_proj": f"{ours}.attn.out_proj",
        }
        for kind in ("weight", "bias"):
            parts = tower[f"{ours}.attn.in_proj_{kind}"].chunk(3)
            for part, tensor in zip("qkv", parts, strict=True):
                state[f"{theirs}.self_attn.{part}_proj.{kind}"] = tensor
    for theirs, ours in names.items():
        for kind in ("weight", "bias"):
            state[f"{theirs}.{kind}"] = tower[f"{ours}.{kind}"]
    return state


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


@pytest.mark.parametrize("layout", [dict, full_model, hugging_face])
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
    ("content", "message"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"<!DOCTYPE html><html>not found</html>", "no weights file"),
        (b"PK\x03\x04 and then nothing of use", "cut off"),
        (b"\x80\x02 no pickle", "cut off, damaged, or more than tensors"),
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


def test_without_a_network_auto_takes_the_stand_in_loudly(
    stand_in: EncoderWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "cached_weights", lambda: None)
    monkeypatch.setattr(openai.hub_constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(weights, "stand_in_state_dict", lambda seed: dict(stand_in.state))
    loaded = load_weights("auto")
    assert loaded.stand_in
    assert loaded.name == "random:0"
    assert loaded.notice is not None and "STAND-IN" in loaded.notice
    with pytest.raises(WeightsError, match="give --weights PATH"):
        load_weights("openai")


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(openai, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(
        openai.huggingface_hub, "get_hf_file_metadata", lambda *_, **__: released.wait(30)
    )
    start = time.monotonic()
    assert openai.why_unreachable() == "no answer within 0 s"
    assert time.monotonic() - start < 5
    released.set()


def test_the_caches_of_the_hub_and_of_open_clip_are_read(
    tower: dict[str, Tensor], digest: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "open_clip_pytorch_model.bin"
    torch.save(full_model(tower), path)
    found = {"open_clip_pytorch_model.bin": str(path)}
    monkeypatch.setattr(
        openai.huggingface_hub, "try_to_load_from_cache", lambda _, name: found.get(name)
    )
    for spec in ("openai", "auto"):
        loaded = load_weights(spec)
        assert (loaded.name, loaded.sha256, loaded.stand_in) == ("openai", digest, False)
    found.clear()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert openai.cached_weights() is None
    (tmp_path / ".cache" / "clip").mkdir(parents=True)
    (tmp_path / ".cache" / "clip" / "ViT-B-32.pt").write_bytes(b"half")
    with pytest.raises(WeightsError, match="delete it"):
        load_weights("auto")
