"""The command `doctor`."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from geograph_types.bundle import Bundle
from geograph_types.cli.commands import installed_commands, load_command
from geograph_types.cli.config import COMMANDS, defaults_of, platform_file
from geograph_types.cli.notices import echo_json
from geograph_types.cli.options import any_path, existing_file, json_option
from geograph_types.decoding.pool import TIME_LIMIT
from geograph_types.decoding.process import MEMORY_LIMIT
from geograph_types.errors import GeographTypesError
from geograph_types.files.text import displayable
from geograph_types.session import BACKENDS, CUDA, available_providers, pick_device
from geograph_types.system.cpu import group_settings, usable_cpus
from geograph_types.system.memory import can_limit_memory

EXTRAS: Final = {
    "parquet": ("pyarrow",),
    "archive": ("pyarrow", "isal"),
    "ray": ("ray", "pyarrow", "isal"),
    "geo": ("pyproj",),
    "heif": ("pi_heif",),
    "xmp": ("exiv2",),
    "serve": ("h11", "prometheus_client", "python_multipart", "starlette", "uvicorn"),
    "worker": ("httpx",),
    "train": ("torch", "isal", "matplotlib", "pyarrow", "safetensors", "tomli_w"),
    "export": ("onnx", "ml_dtypes", "safetensors", "huggingface_hub", "pooch", "requests"),
    "reference": ("torch", "torchvision", "open_clip"),
}
"""What each brings, by the names under which it is imported."""
CPU_FEATURES: Final = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp")
"""Instruction sets that decide how fast the encoder runs."""
INTEGER_FEATURES: Final = frozenset({"avx_vnni", "avx512_vnni", "amx_int8", "asimddp"})
"""Those that multiply 8-bit integers and sum them in 32 bits at once."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked."""

    what: str
    state: str
    good: bool = True  # `False` if the models cannot run because of it


def examine(bundle: Path | None = None) -> list[Finding]:
    """Check this machine, the installation and, if given, a bundle's digests."""
    findings = [
        Finding("python", f"{platform.python_version()} on {platform.platform()}"),
        Finding("processors", f"{usable_cpus()} usable; {_processor()}"),
        Finding("memory", _memory()),
        Finding("decoders", _decoders()),
        _backend(),
        Finding("advice", _advice()),
    ]
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        state = f"not installed ({', '.join(missing)})" if missing else "installed"
        findings.append(Finding(f"extra {extra}", state))
    if bundle is not None:
        findings.append(_bundle(bundle))
    return findings


def _backend() -> Finding:
    try:
        providers = ", ".join(available_providers())
    except GeographTypesError as error:
        return Finding("onnxruntime", str(error), good=False)
    versions = [f"{name} {_version(name)}" for name in BACKENDS if _version(name)]
    return Finding("onnxruntime", f"{', '.join(versions)} with {providers}")


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _advice() -> str:
    """Return which precision suits this machine."""
    try:
        if pick_device("auto") == "cuda":
            return "export with --precision fp16 for CUDA, and int8 for --device cpu"
        if CUDA in available_providers():
            cuda = "this onnxruntime has CUDA, which cannot be loaded here"
            return f"export with --precision int8: {cuda}"
    except GeographTypesError:
        return "none without onnxruntime"
    if INTEGER_FEATURES.intersection(_cpu_features()):
        return "export with --precision int8, which this processor multiplies at full speed"
    # Without those, sums of pairs are cut off at 16 bits: the export keeps weights small enough.
    return "export with --precision int8: faster than fp32, if less so than on a CPU with VNNI"


def _processor() -> str:
    name = platform.processor() or platform.machine()
    for line in _cpuinfo():
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
    return f"{name} with {', '.join(_cpu_features()) or 'no vector extensions known'}"


def _cpu_features() -> list[str]:
    words: set[str] = set()
    for line in _cpuinfo():
        if line.startswith(("flags", "Features")):
            words.update(line.split())
    return [feature for feature in CPU_FEATURES if feature in words]


def _cpuinfo() -> list[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.splitlines()


def _memory() -> str:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    kibibytes = {
        line.split(":")[0]: int(line.split()[1]) for line in lines if len(line.split()) > 1
    }
    free = f"{kibibytes.get('MemAvailable', 0) / 2**20:.1f} GiB available"
    limits = [int(text) for text in group_settings("memory.max") if text.strip().isdecimal()]
    return f"{free}, limit {min(limits) / 2**30:.1f} GiB" if limits else free


def _decoders() -> str:
    """Return what a photo may take."""
    seconds = f"{TIME_LIMIT:g} s a photo"
    if can_limit_memory():
        return f"{seconds} and {MEMORY_LIMIT / 2**30:g} GiB"
    return f"{seconds}; this system does not limit their memory, so mind photos of strangers"


def _bundle(path: Path) -> Finding:
    try:
        bundle = Bundle.open(path)
        bundle.verify()
    except GeographTypesError as error:
        return Finding("bundle", str(error), good=False)
    holds = ", ".join(file.path for file in bundle.manifest.files)
    stand_in = "; stand-in weights, not CLIP's" if bundle.is_stand_in else ""
    return Finding("bundle", f"{bundle.label} intact ({holds}){stand_in}")


def _settings(config: Path | None) -> Iterator[Finding]:
    """Return each default of `tag` and `serve` that a file sets, and which file that is."""
    file = config or platform_file()
    if not file.is_file():
        yield Finding("defaults", f"the program's own; {file} is not there")
        return
    entries = installed_commands()
    for name in COMMANDS:
        command = load_command(entries, name)
        assert command is not None
        try:
            defaults = defaults_of(command, file)
        except GeographTypesError as error:
            yield Finding(f"{name}", str(error), good=False)
            continue
        for key, value in defaults.items():
            yield Finding(f"{name} {key}", f"{value} (from {file})")
        yield Finding(f"{name}", "all other defaults: the program's own")


@click.command(epilog="Example: geograph-types doctor --bundle model")
@click.option(
    "--bundle", type=any_path, metavar="DIR", help="Check the digests of this bundle too."
)
@click.option(
    "--config", type=existing_file, metavar="FILE", help="Show these defaults of 'tag' and 'serve'."
)
@json_option
def doctor(bundle: Path | None, config: Path | None, as_json: bool) -> int:
    """Report whether this machine can run the models, and where defaults come from.

    The exit status is 2 if it cannot.
    """
    findings = [*examine(bundle), *_settings(config)]
    if as_json:
        echo_json(findings)
    for finding in () if as_json else findings:
        mark = "ok  " if finding.good else "BAD "
        click.echo(displayable(f"{mark} {finding.what:<14} {finding.state}"))
    return 0 if all(finding.good for finding in findings) else 2
