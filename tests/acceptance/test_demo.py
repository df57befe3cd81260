"""`make demo`, as it stands in the README."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FLOOR = 0.85
"""Held-out macro-F1 that the demo has to reach with a stand-in encoder."""


def test_the_demo_reaches_its_scores(tmp_path: Path) -> None:
    demo = tmp_path / "demo"
    environment = Path(sys.executable).parents[1]
    # The tests' own environment serves, so there is nothing to install.
    # Measuring coverage of the drawing would take longer than the demo.
    plain = {name: value for name, value in os.environ.items() if "COV" not in name}
    done = subprocess.run(
        ["make", "demo", "INSTALLED=", f"DEMO={demo}", f"VENV={environment}"],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (macro,) = re.findall(r"^macro-F1 ([01]\.\d+)", done.stdout, re.MULTILINE)
    assert float(macro) >= FLOOR
    assert done.stderr.count("stand-in") >= 1
    tags = [json.loads(line) for line in (demo / "tags.jsonl").read_text().splitlines()]
    assert len(tags) == 210
    assert {row["status"] for row in tags} == {"ok"}
    assert (demo / "report.html").read_text(encoding="utf-8").count("<article ") == 210
    for line in ("bundle", "tags", "page"):
        assert re.search(rf"^{line} +{re.escape(str(demo))}", done.stdout, re.MULTILINE)
