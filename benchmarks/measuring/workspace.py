"""The files that all contenders start from: one set of weights, and a bundle made of them."""

from collections.abc import Callable
from pathlib import Path

from contenders.interface import Given
from geograph_types import Bundle
from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file
from geograph_types.manifest import Precision
from geograph_types_export.weights.load import EncoderWeights, load_weights

HEAD = "head.pth"
"""An untrained head in the released form: its speed is that of any other."""
PHOTO = "photo.jpg"
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
SEED = 4
DECIDED = (2.0, -2.0, 2.0, -2.0, 2.0, -2.0, 2.0)

Say = Callable[[str], None]


def make_workspace(spec: str, bundle: Path | None, work: Path, say: Say) -> Given:
    """Write the weights into a folder named by their digest; export a bundle if none is given."""
    say(f"loading weights {spec}")
    weights = load_weights(spec)
    if weights.notice is not None:
        say(weights.notice)
    elif weights.stand_in:
        say(f"{weights.name}: a STAND-IN with random weights: right speed, no meaning")
    folder = work.resolve() / weights.sha256[:12]
    folder.mkdir(parents=True, exist_ok=True)
    _write_state(weights, folder / "tower.pt")
    _write_head(folder / HEAD)
    if bundle is None:
        bundle = folder / "bundle"
        _export(weights, folder, bundle, say)
    source = Bundle.open(bundle).manifest.encoder
    if source is None or source.sha256 != weights.sha256:
        made_of = "no encoder" if source is None else f"an encoder of the weights {source.weights}"
        raise InputError(
            f"{bundle} has {made_of}, and the others would run {weights.name} "
            f"({weights.sha256[:12]}): name the bundle's weights with --weights, or leave --bundle "
            "out to export one"
        )
    return Given(folder / "tower.pt", bundle.resolve(), folder)


def _write_state(weights: EncoderWeights, path: Path) -> None:
    import torch

    if not path.exists():
        with new_file(path) as stream:
            torch.save({k: torch.from_numpy(v) for k, v in weights.state.items()}, stream)


def _write_head(path: Path) -> None:
    import torch

    from geograph_types_trainer.checkpoint.write import save_checkpoint
    from geograph_types_trainer.head import TypeHead

    if not path.exists():
        torch.manual_seed(SEED)
        head = TypeHead().eval()
        with torch.no_grad():
            # Far from the thresholds: what nobody trained is not to decide how int8 is made.
            head.last.bias.copy_(torch.tensor(DECIDED))
        save_checkpoint(head, path, epoch=0, loss=0.0)


def _export(weights: EncoderWeights, folder: Path, path: Path, say: Say) -> None:
    """Export the parts that the bundle does not have yet."""
    from geograph_types_export.bundle.make import (
        export_encoder,
        export_head,
        export_int8_encoder,
        head_tags,
        load_head,
    )
    from geograph_types_export.bundle.write import write_bundle
    from geograph_types_export.errors import GateError
    from geograph_types_export.int8.photos import drawn_photos

    if not path.exists() or Bundle.open(path).manifest.head is None:
        write_bundle(path, export_head(load_head(folder / HEAD)))
    for precision in PRECISIONS:
        if Bundle.open(path).manifest.find("encoder", precision):
            continue
        say(f"exporting the {precision} encoder" + " (minutes)" * (precision == "int8"))
        try:
            part = (
                export_int8_encoder(weights, drawn_photos(), head_tags(path))
                if precision == "int8"
                else export_encoder(weights)
            )
        except GateError as error:
            say(f"error: {error}")
            continue
        write_bundle(path, part)


def make_photo(folder: Path) -> Path:
    """Draw a photo of 640x480 pixels as a JPEG file, unless it is there."""
    import numpy as np

    from geograph_types_trainer.scenes import draw_scene

    path = folder / PHOTO
    if not path.exists():
        image = draw_scene("Geograph", np.random.default_rng(SEED))
        with new_file(path) as stream:
            image.save(stream, "JPEG", quality=90)
    return path
