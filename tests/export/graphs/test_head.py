import json
from pathlib import Path

import numpy as np
import pytest
import torch

from geograph_types.distance.distance import BUCKET_COUNT
from geograph_types.errors import InputError
from geograph_types.session import Session
from geograph_types_export.bundle.make import export_head, load_head
from geograph_types_export.graphs.head import head_graph
from geograph_types_trainer.checkpoint.read import CheckpointError
from geograph_types_trainer.checkpoint.write import save_checkpoint
from geograph_types_trainer.head import TypeHead


@pytest.fixture(scope="module")
def head() -> TypeHead:
    torch.manual_seed(3)
    return TypeHead().eval()


def test_every_bucket_gives_what_torch_gives(head: TypeHead) -> None:
    session = Session(head_graph(head.weights()).SerializeToString(), "cpu")
    rng = np.random.default_rng(1)
    buckets = np.arange(BUCKET_COUNT, dtype=np.int64)
    embeddings = rng.normal(0, 0.5, (BUCKET_COUNT, 512)).astype(np.float32)
    expected = head.probabilities(torch.from_numpy(embeddings), torch.from_numpy(buckets))
    computed = session.run("probabilities", image_embeds=embeddings, distance_bucket=buckets)
    np.testing.assert_allclose(computed, expected.numpy(), rtol=0, atol=1e-6)


def test_a_checkpoint_of_the_released_form_becomes_a_part(head: TypeHead, tmp_path: Path) -> None:
    path = tmp_path / "best_geograph_model_test.pth"
    save_checkpoint(head, path, epoch=4, loss=0.25)
    part = export_head(load_head(path))
    assert part.source.name == path.name
    assert part.model == head_graph(head.weights()).SerializeToString(deterministic=True)
    assert part.fidelity.maximum_difference <= 1e-6


def test_what_is_no_head_is_refused(tmp_path: Path) -> None:
    for path, error in ((tmp_path, InputError), (tmp_path / "missing.pth", CheckpointError)):
        with pytest.raises(error):
            load_head(path)


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_released_heads_give_the_expected_probabilities(name: str, reference: Path) -> None:
    folder = reference / "released-heads"
    expected = json.loads((folder / "expected.json").read_text())
    part = export_head(load_head(folder / f"best_geograph_model_{name}.pth"))
    computed = Session(part.model, "cpu").run(
        "probabilities",
        image_embeds=np.load(folder / "inputs.npy"),
        distance_bucket=np.array(expected["distance_bucket"], np.int64),
    )
    np.testing.assert_allclose(computed, expected["probabilities"][name], rtol=0, atol=1e-6)
