"""A training run as a folder: the head, how it was trained, and how well it did."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import msgspec
import safetensors
import safetensors.torch

from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file, new_folder
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.head import TypeHead
from geograph_types_trainer.metrics import PLAIN_THRESHOLD
from geograph_types_trainer.recipe import Recipe

CONFIGURATION_FILE: Final = "config.toml"
HEAD_FILE: Final = "model.safetensors"
REPORT_FILE: Final = "metrics.json"
LOG_FILE: Final = "log.csv"
CURVES_FILE: Final = "curves.png"
STATE_FILE: Final = "unfinished.pt"
"""What `train --resume` goes on from; gone once the run is complete."""

Content = TypeVar("Content")
Scalar: TypeAlias = str | int | float | bool
DEFAULT_THRESHOLDS: Final[Mapping[str, float]] = dict.fromkeys(CLASSES, PLAIN_THRESHOLD)


class DatasetReference(msgspec.Struct, frozen=True):
    """The file that a run trains on.

    Attributes:
        path: where it was.
        sha256: of its bytes, in hexadecimal.
    """

    path: str
    sha256: str


class Configuration(msgspec.Struct, frozen=True):
    """All that a run depends on: the `config.toml` of its folder.

    Attributes:
        version: of geograph-types.
        torch: version of torch.
        device: "cpu" or "cuda".
        dataset: the file.
        recipe: every setting.
    """

    version: str
    torch: str
    device: str
    dataset: DatasetReference
    recipe: Recipe


class RunReport(msgspec.Struct, frozen=True):
    """What a run came to: the `metrics.json` of its folder.

    Attributes:
        metrics: by name: `best_epoch`, `epochs`, and of the kept head on the validation split
            `validation_loss`, `validation_micro_f1`, `validation_macro_f1`, and
            `validation_f1_<class>`.
        rows: of the dataset by split.
        bad_rows: of the dataset's file, by reason.
        thresholds: by class; a probability at or above it sets the tag.
    """

    metrics: dict[str, float]
    rows: dict[str, int]
    bad_rows: dict[str, int]
    thresholds: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A complete run.

    Attributes:
        path: its folder.
        head: in eval mode, for raw embeddings.
        recipe: how it was trained.
        report: what it came to.
        dataset_sha256: of the file that it was trained on.
        configuration: the recipe and the versions, flat, for a bundle's manifest.
    """

    path: Path
    head: TypeHead
    recipe: Recipe
    report: RunReport
    dataset_sha256: str
    configuration: Mapping[str, Scalar]

    @property
    def metrics(self) -> Mapping[str, float]:
        """Scores by name; see `RunReport`."""
        return self.report.metrics

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Threshold of each class: 0.5 unless `keep` kept others."""
        return self.report.thresholds

    @classmethod
    def load(cls, path: Path) -> "Run":
        """Read a run's folder.

        Raises:
            InputError: it is none, is not complete, or one of its files is damaged.
        """
        configuration = read_configuration(path)
        if not (path / REPORT_FILE).exists():
            raise InputError(f"{path} is an unfinished run: finish it with train --resume {path}")
        return cls(
            path,
            read_head(path / HEAD_FILE),
            configuration.recipe,
            _decoded(path / REPORT_FILE, msgspec.json.Decoder(RunReport).decode),
            configuration.dataset.sha256,
            msgspec.to_builtins(configuration.recipe)
            | {
                "geograph_types": configuration.version,
                "torch": configuration.torch,
                "device": configuration.device,
            },
        )

    def keep(self, head: TypeHead, thresholds: Mapping[str, float]) -> None:
        """Put another head and its thresholds in place of the run's own: both, or neither.

        Args:
            head: of the same form.
            thresholds: by class, each between 0 and 1.

        Raises:
            InputError: a class is missing or unknown, or a threshold is none.
            OSError: the folder cannot be written.
        """
        if set(thresholds) != set(CLASSES) or not all(0 < t < 1 for t in thresholds.values()):
            raise InputError("thresholds are one number between 0 and 1 for each class")
        ordered = {name: float(thresholds[name]) for name in CLASSES}
        with new_folder(self.path) as folder:
            shutil.copytree(self.path, folder, dirs_exist_ok=True)
            write_head(folder, head)
            write_report(folder, msgspec.structs.replace(self.report, thresholds=ordered))


def read_configuration(run: Path) -> Configuration:
    """Read how a run was or is being trained.

    Raises:
        InputError: the folder is no run, or the file is damaged.
    """
    if not (run / CONFIGURATION_FILE).exists():
        raise InputError(f"{run} is no run: start one with train DATA --out {run}")

    def decode(content: bytes) -> Configuration:
        return msgspec.toml.decode(content, type=Configuration)

    return _decoded(run / CONFIGURATION_FILE, decode)


def write_configuration(run: Path, configuration: Configuration) -> None:
    """Write `config.toml`.

    Raises:
        OSError: the folder cannot be written.
    """
    _write(run / CONFIGURATION_FILE, msgspec.toml.encode(configuration))


def write_report(run: Path, report: RunReport) -> None:
    """Write `metrics.json`.

    Raises:
        OSError: the folder cannot be written.
    """
    _write(run / REPORT_FILE, msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def write_head(run: Path, head: TypeHead) -> None:
    """Write `model.safetensors`, with the names and shapes of the released heads.

    Raises:
        OSError: the folder cannot be written.
    """
    tensors = {name: value.contiguous() for name, value in head.state_dict().items()}
    _write(run / HEAD_FILE, safetensors.torch.save(tensors))


def read_head(path: Path) -> TypeHead:
    """Read `model.safetensors`.

    Returns:
        The head, in eval mode.

    Raises:
        InputError: the file is missing, damaged, or holds another model.
    """
    head = TypeHead()
    try:
        head.load_state_dict(safetensors.torch.load(path.read_bytes()))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except (safetensors.SafetensorError, RuntimeError) as error:
        raise InputError(f"{path} holds no head of this project ({error})") from None
    return head.eval()


def _write(path: Path, content: bytes) -> None:
    with new_file(path) as stream:
        stream.write(content)


def _decoded(path: Path, decode: Callable[[bytes], Content]) -> Content:
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error})") from None
