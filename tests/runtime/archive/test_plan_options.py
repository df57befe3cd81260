"""Numbers that are none are refused by `archive plan`."""

import pytest

from geograph_types.cli.main import main


@pytest.mark.parametrize("option", ["--seconds", "--price-per-core-hour"])
def test_nan_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "plan", "--photos", "10", option, "nan"]) == 2
    assert f"'{option}': nan is not a finite number" in capsys.readouterr().err
