"""`archive plan`: what it prints, and which numbers it refuses."""

from pathlib import Path

import pytest

from geograph_types.cli.main import main


@pytest.mark.parametrize("option", ["--seconds", "--price-per-core-hour"])
def test_nan_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "plan", "--photos", "10", option, "nan"]) == 2
    assert f"'{option}': nan is not a finite number" in capsys.readouterr().err


def test_a_plan_has_hours_machines_storage_and_cost(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--seconds", "0.3", "--price-per-core-hour", "0.5", "--bundle", str(tiny_bundle)]
    assert main(["archive", "plan", "--photos", "8000000", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = ["photos/s", "hours", "in a day", "in a week", "core hours", "cost"]
    assert lines[0].split("  ", 1)[0] == "8,000,000 photos"
    assert [name for name in head if name not in lines[0]] == []
    measured = next(line for line in lines if line.startswith("fp32, measured here"))
    rate, hours, a_day, a_week, core_hours, cost = (
        float(word.replace(",", "")) for word in measured.split()[3:]
    )
    assert hours == pytest.approx(8e6 / rate / 3600, rel=0.1)
    assert a_day == pytest.approx(hours / 24, abs=1)
    assert a_week == pytest.approx(hours / 168, abs=1)
    assert core_hours >= hours * 0.99
    assert cost == pytest.approx(core_hours / 2, rel=0.1)
    assert "storage    embeddings as float16 8.2 GB" in lines
    assert any("bytes each, measured)" in line for line in lines)
