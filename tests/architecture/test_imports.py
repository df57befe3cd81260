"""What the runtime loads, and what it must not."""

import json
import subprocess
import sys

from command_tree import every_command

HEAVY = {
    "torch",
    "torchvision",
    "open_clip",
    "onnx",
    "pandas",
    "sklearn",
    "safetensors",
    "pyarrow",
    "ray",
    "pyproj",
    "exiv2",
    "pi_heif",
    "httpx",
    "onnxruntime",
    "rich",
    "click",
}


def modules_after(code: str) -> set[str]:
    program = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    return {name.partition(".")[0] for name in json.loads(printed.splitlines()[-1])}


def test_importing_the_runtime_loads_nothing_heavy() -> None:
    loaded = modules_after("import geograph_types")
    assert "numpy" in loaded
    assert not loaded & HEAVY


def test_listing_the_commands_imports_none_of_them() -> None:
    loaded = modules_after("from geograph_types.cli.main import main\nassert main(['--help']) == 0")
    assert not loaded & (HEAVY - {"click"})


def test_help_of_no_command_needs_its_libraries() -> None:
    loaded = modules_after(
        "from geograph_types.cli.main import main\n"
        f"for words in {sorted(every_command())}:\n"
        "    assert main([*words.split(), '--help']) == 0"
    )
    assert not loaded & (HEAVY - {"click", "rich"})
