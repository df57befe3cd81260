"""A training run as a folder: the head, its configuration and its scores."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file, new_folder
from geograph_types.thresholds import Thresholds
from geograph_types_trainer.head_weights import HeadWeights, head_problem
from geograph_types_trainer.metrics import PLAIN_THRESHOLD
from geograph_types_trainer.recipe import Recipe

CONFIGURATION_FILE: Final = "config.toml"
HEAD_FILE: Final = "model.safetensors"
REPORT_FILE: Final = "metrics.json"
LOG_FILE: Final = "log.csv"
CURVES_FILE: Final = "curves.png"
STATE_FILE: Final = "unfinished.pt"
"""What `train --resume` starts from; removed once the run is complete."""

Content = TypeVar("Content")
Scalar: TypeAlias = str | int | float | bool


class DatasetReference(msgspec.Struct, frozen=True):
    """The file that a run trains on, and the digest of its bytes."""

    path: str
    sha256: str


class Configuration(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a run depends on: the `config.toml` of its folder."""

    version: str  # of geograph-types
    torch: str  # its version
    device: str  # "cpu" or "cuda"
    dataset: DatasetReference
    recipe: Recipe
    verdicts: DatasetReference | None = None  # of moderators, in place of the dataset's labels


class RunReport(msgspec.Struct, frozen=True):
    """Result of a run: the `metrics.json` of its folder."""

    # `best_epoch`, `epochs`, and of the kept head on the validation split `validation_loss`,
    # `validation_micro_f1`, `validation_macro_f1` and `validation_f1_<class>`.
    metrics: dict[str, float]
    rows: dict[str, int]  # by split
    bad_rows: dict[str, int]  # by reason
    thresholds: Thresholds = Thresholds.uniform(PLAIN_THRESHOLD)
    tuned_on_sha256: str | None = None  # the dataset behind kept thresholds and calibration


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A complete run."""

    path: Path
    weights: HeadWeights  # of the head, for raw embeddings
    recipe: Recipe
    report: RunReport
    dataset_sha256: str
    configuration: Mapping[str, Scalar]  # recipe and versions, flat, for a bundle's manifest

    @property
    def metrics(self) -> Mapping[str, float]:
        """Scores by name; see `RunReport`."""
        return self.report.metrics

    @property
    def thresholds(self) -> Thresholds:
        """Thresholds: 0.5 for all classes unless `keep` replaced them."""
        return self.report.thresholds

    @classmethod
    def load(cls, path: Path) -> "Run":
        """Read a run's folder; it must be complete."""
        configuration = read_configuration(path)
        if not (path / REPORT_FILE).exists():
            raise InputError(f"{path} is an unfinished run: finish it with train --resume {path}")
        report = _decoded(path / REPORT_FILE, msgspec.json.Decoder(RunReport).decode)
        return cls(
            path,
            read_head(path / HEAD_FILE),
            configuration.recipe,
            report,
            configuration.dataset.sha256,
            msgspec.to_builtins(configuration.recipe)
            | {
                "geograph_types": configuration.version,
                "torch": configuration.torch,
                "device": configuration.device,
            }
            | ({"verdicts": configuration.verdicts.sha256} if configuration.verdicts else {})
            | ({"tuned_on_sha256": report.tuned_on_sha256} if report.tuned_on_sha256 else {}),
        )

    def keep(
        self, weights: HeadWeights, thresholds: Thresholds, tuned_on_sha256: str | None = None
    ) -> None:
        """Replace the run's head and its thresholds: both, or neither.

        `tuned_on_sha256` is the digest of the dataset that they were fitted on.
        """
        with new_folder(self.path) as folder:
            shutil.copytree(self.path, folder, dirs_exist_ok=True)
            write_head(folder, weights)
            report = msgspec.structs.replace(
                self.report, thresholds=thresholds, tuned_on_sha256=tuned_on_sha256
            )
            write_report(folder, report)


def read_configuration(run: Path) -> Configuration:
    """Read `config.toml`, of a run that may be unfinished."""
    if not (run / CONFIGURATION_FILE).exists():
        raise InputError(f"{run} is not a run: start one with train DATA --out {run}")

    def decode(content: bytes) -> Configuration:
        return msgspec.toml.decode(content, type=Configuration)

    return _decoded(run / CONFIGURATION_FILE, decode)


def write_configuration(run: Path, configuration: Configuration) -> None:
    """Write `config.toml`."""
    import tomli_w  # of the extra `train`, which the export does without

    content = tomli_w.dumps(msgspec.to_builtins(configuration))
    _write(run / CONFIGURATION_FILE, content.encode())


def write_report(run: Path, report: RunReport) -> None:
    """Write `metrics.json`."""
    _write(run / REPORT_FILE, msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def write_head(run: Path, weights: HeadWeights) -> None:
    """Write `model.safetensors`, with the names and shapes of the released heads."""
    _write(run / HEAD_FILE, safetensors.numpy.save(dict(weights)))


def read_head(path: Path) -> HeadWeights:
    """Read `model.safetensors`."""
    try:
        tensors = safetensors.numpy.load(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except (safetensors.SafetensorError, KeyError) as error:
        raise InputError(f"{path} is not a head of this project ({error})") from None
    problem = head_problem({name: values.shape for name, values in tensors.items()}, True)
    if problem is not None:
        raise InputError(f"{path} is not a head of this project ({problem})")
    return {name: values.astype(np.float32) for name, values in tensors.items()}


def _write(path: Path, content: bytes) -> None:
    with new_file(path) as stream:
        stream.write(content)


def _decoded(path: Path, decode: Callable[[bytes], Content]) -> Content:
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is damaged or of an earlier version ({error}): make the run again with 'train'"
        ) from None
