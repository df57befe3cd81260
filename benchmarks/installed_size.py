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
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from measuring.command_line import json_option
from reporting.figures import Results, report

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


def measure() -> Results:
    """Add up every deployment whose distributions are all installed."""
    results = Results()
    for name, requirements in DEPLOYMENTS.items():
        try:
            sizes = {one: installed_bytes(one) / 1e6 for one in _closure(requirements)}
        except metadata.PackageNotFoundError as error:
            results.leave_out(name, f"not installed: {error.name}")
            continue
        plain = {one: size for one, size in sizes.items() if not one.startswith(CUDA)}
        _add(results, name, sizes)
        if len(plain) < len(sizes):
            _add(results, f"{name}, without CUDA's libraries", plain)
    return results


def _add(results: Results, name: str, sizes: dict[str, float]) -> None:
    results.add("installed, without models", name, "MB", [sum(sizes.values())])
    largest = sorted(sizes, key=lambda one: sizes[one], reverse=True)[:4]
    named = ", ".join(f"{one} {sizes[one]:.0f}" for one in largest)
    results.notes.append(f"{name}: {len(sizes)} distributions, the largest {named}")


def _closure(requirements: tuple[str, ...]) -> set[str]:
    """Return the names of all distributions that these bring."""
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


@click.command()
@json_option
def main(out: Path | None) -> None:
    """Measure and print a table."""
    report(measure(), out)


if __name__ == "__main__":
    main()
