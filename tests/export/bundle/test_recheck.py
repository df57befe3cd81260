"""`export verify` repeats the checks against torch on a bundle that is there."""

from pathlib import Path

import pytest

from geograph_types.cli.main import main


def test_a_bundle_is_what_its_manifest_says_it_was_made_from(
    full_bundle: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", "verify", str(full_bundle), "--weights", "random:0"]
    assert main([*arguments, "--head", str(checkpoint)]) == 0
    assert main(["export", "verify", str(full_bundle), "--weights", "random:1"]) == 2
    assert "error: " in capsys.readouterr().err
