"""How many megabytes a deployment takes on the disk, against torch with open_clip.

    python benchmarks/installed_size.py [--json FILE]

Nothing is installed: the files of the distributions that are here are added up, of each requirement
and all that it requires in turn, on this platform. Models are not in it. Where the torch that is
here brings CUDA's libraries, a line without these is added: what is near a build for processors
alone, though torch's own CUDA code is still in it.
"""

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click
import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from measuring.command_line import json_option, report
from measuring.machine import Machine, this_machine

DEPLOYMENTS = {
    "ours": ("geograph-types[cpu]",),
    "traced ONNX": ("onnxruntime", "numpy", "pillow"),
    "open_clip": ("open-clip-torch",),
    "transformers": ("transformers", "torch", "pillow"),
    "fastembed": ("fastembed",),
    "OpenVINO": ("openvino", "pillow"),
}
OURS = "geograph-types"
CUDA = ("nvidia-", "cuda-", "triton")
PACKAGES = (
    "runtime/geograph_types",
    "trainer/geograph_types_trainer",
    "export/geograph_types_export",
)
"""What the wheel of a clone would hold, whose editable installation lists no files."""


class Deployment(msgspec.Struct, frozen=True):
    """What one way of running the encoder needs.

    Attributes:
        name: of the way.
        megabytes: by distribution, the largest first.
    """

    name: str
    megabytes: dict[str, float]

    @property
    def total(self) -> float:
        """Megabytes of all."""
        return sum(self.megabytes.values())


class SizeResults(msgspec.Struct, frozen=True):
    """One run of this benchmark."""

    before: Machine
    deployments: list[Deployment]
    left_out: dict[str, str]


def measure() -> SizeResults:
    """Add up every deployment whose distributions are all installed."""
    found, left_out = [], {}
    for name, requirements in DEPLOYMENTS.items():
        try:
            sizes = {one: installed_bytes(one) / 1e6 for one in _closure(requirements)}
        except metadata.PackageNotFoundError as error:
            left_out[name] = f"not installed: {error.name}"
            continue
        largest = sorted(sizes.items(), key=lambda item: item[1], reverse=True)
        found.append(Deployment(name, dict(largest)))
        plain = {one: size for one, size in largest if not one.startswith(CUDA)}
        if len(plain) < len(largest):
            found.append(Deployment(f"{name}, without CUDA's libraries", plain))
    return SizeResults(this_machine(), found, left_out)


def _closure(requirements: tuple[str, ...]) -> set[str]:
    """Give the names of all distributions that these bring.

    Raises:
        PackageNotFoundError: one is not installed.
    """
    waiting = [Requirement(text) for text in requirements]
    done: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in done:
                done.add((name, extra))
                waiting += _required(name, extra)
    return {name for name, _ in done}


def _required(name: str, extra: str) -> Iterator[Requirement]:
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        plain = marker is None or marker.evaluate({"extra": ""})
        if (extra == "" and plain) or (
            extra and not plain and marker is not None and marker.evaluate({"extra": extra})
        ):
            yield requirement


def installed_bytes(name: str) -> int:
    """Add up the files of a distribution, without the bytecode that Python caches."""
    if name == OURS:
        root = Path(__file__).parents[1]
        files = [path for package in PACKAGES for path in (root / package).rglob("*")]
    else:
        distribution = metadata.distribution(name)
        files = [Path(str(path.locate())) for path in distribution.files or ()]
    kept = {path for path in files if "__pycache__" not in path.parts and path.is_file()}
    return sum(path.stat().st_size for path in kept)


def markdown(results: SizeResults) -> Iterator[str]:
    """Show the results as a table."""
    yield from results.before.markdown(results.before)
    yield from (f"* left out: {name}: {why}" for name, why in results.left_out.items())
    yield ""
    yield "| deployment | MB | distributions | the largest |"
    yield "|---|---|---|---|"
    for one in results.deployments:
        largest = ", ".join(f"{name} {size:.0f}" for name, size in list(one.megabytes.items())[:4])
        yield f"| {one.name} | {one.total:.0f} | {len(one.megabytes)} | {largest} |"


@click.command()
@json_option
def main(out: Path | None) -> None:
    """Measure and print a table."""
    results = measure()
    report(markdown(results), results, out)


if __name__ == "__main__":
    main()
