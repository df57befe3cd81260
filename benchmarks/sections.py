"""The benchmarks that `bench.py` runs, each with its arguments for the whole run and the quick one.

The whole run takes under an hour on two processors, the quick one three minutes, once the work
folder has its files.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
QUICK_CONTENDERS: Final = ("ours, fp32", "traced ONNX, fp32")
"""Besides ours in int8 and open_clip."""


@dataclass(frozen=True, slots=True)
class Section:
    """One benchmark, in a process of its own."""

    name: str  # in results
    title: str  # over its tables and charts
    script: str  # in this folder
    whole: tuple[str, ...] = ()  # arguments
    quick: tuple[str, ...] | None = ()  # arguments; None leaves it out of the quick run
    weights: bool = False  # it takes `--weights` and `--bundle`
    folder: str | None = None  # in the work folder, "" for that itself; None if it writes no files

    @property
    def path(self) -> Path:
        """The script's file."""
        return HERE / self.script


def _contenders(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for name in names for part in ("--contender", name))


SECTIONS: Final = (
    Section(
        "encoder",
        "Encoder",
        "encoder.py",
        whole=("--rounds", "7"),
        quick=("--rounds", "2", "--threads", "1", "--batch", "8", *_contenders(QUICK_CONTENDERS)),
        weights=True,
        folder="",
    ),
    Section(
        "start",
        "From the start of a process to the first tag",
        "encoder.py",
        whole=("--start",),
        quick=None,
        weights=True,
        folder="",
    ),
    Section("size", "Installed size", "installed_size.py"),
    Section(
        "preparation",
        "From a file to the encoder's pixels",
        "preparation.py",
        quick=("--rounds", "5"),
        folder="photos",
    ),
    Section(
        "tagging",
        "From files to tags",
        "tagging.py",
        whole=("--rounds", "3"),
        quick=("--photos", "32", "--rounds", "1", "--size", "640 px"),
        weights=True,
        folder="",
    ),
    Section(
        "archive",
        "Scoring stored embeddings",
        "archive.py",
        whole=("--rows", "1000000", "--rounds", "3"),
        quick=None,
        folder="archive",
    ),
    Section(
        "train",
        "Reading a dataset, and training",
        "train.py",
        whole=("--repeats", "3"),
        quick=None,
        folder="train",
    ),
    Section("server", "Service", "server.py", quick=None, weights=True, folder=""),
)
"""In the order in which they run."""
