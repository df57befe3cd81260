import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCENES = int(os.environ.get("GEOGRAPH_TYPES_DEMO_SCENES", "10"))
"""Of each class; `make acceptance` takes as many as the demo does."""
FLOOR = 0.85
"""Held-out macro-F1 that the whole demo has to reach with a stand-in encoder."""


def test_the_demo_runs_through_and_says_what_to_open(tmp_path: Path) -> None:
    demo = tmp_path / "demo"
    environment = Path(sys.executable).parents[1]
    unseen = 12 if SCENES >= 40 else 2
    # The tests' own environment serves, so there is nothing to install.
    # Measuring coverage of the drawing would take longer than the demo.
    plain = {name: value for name, value in os.environ.items() if "COV" not in name}
    variables = [f"DEMO={demo}", f"VENV={environment}", f"SCENES={SCENES}", f"UNSEEN={unseen}"]
    done = subprocess.run(
        ["make", "demo", "DEMO_INSTALLED=", *variables],
        cwd=ROOT,
        env=plain | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (macro,) = re.findall(r"^macro-F1 ([01]\.\d+)", done.stdout, re.MULTILINE)
    assert float(macro) >= (FLOOR if SCENES >= 40 else 0)
    assert done.stderr.count("stand-in") >= 1
    tags = [json.loads(line) for line in (demo / "tags.jsonl").read_text().splitlines()]
    assert len(tags) == 7 * unseen
    assert {row["status"] for row in tags} == {"ok"}
    page = demo / "report.html"
    assert page.read_text(encoding="utf-8").count("<article ") == 7 * unseen
    assert done.stdout.splitlines()[-1].startswith(f"Open {page} in a browser")
