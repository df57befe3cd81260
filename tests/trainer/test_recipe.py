"""Settings of a training: where they come from, and those that cannot be."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from geograph_types.cli.main import main
from geograph_types.errors import InputError
from geograph_types_trainer.cli.train import train as command
from geograph_types_trainer.recipe import RECIPES, Recipe
from geograph_types_trainer.run import Run


def test_settings_come_from_recipe_then_file_then_options(dataset: Path, tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("epochs = 2\nlearning_rate = 5e-4\n")
    out = tmp_path / "run"
    arguments = [str(dataset), "--out", str(out), "--recipe", "released", "--config", str(config)]
    result = CliRunner().invoke(
        command, [*arguments, "--seed", "3", "--policy", "v2.1"], standalone_mode=False
    )
    assert result.return_value == 0, result.exception
    assert result.stderr.count("epoch") == 3
    recipe = Run.load(out).recipe
    assert (recipe.epochs, recipe.learning_rate, recipe.seed) == (2, 5e-4, 3)
    assert (recipe.policy, recipe.standardise) == ("v2.1", False)
    assert RECIPES["default"].read(out / "config.toml") == recipe


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--resume run --epochs 3", "--resume takes every setting from the run itself"),
        ("--resume run --out other", "--resume takes every setting from the run itself"),
        ("--resume run --device auto", "--resume takes every setting from the run itself"),
        ("--resume run", "run is not a run: start one with train DATA --out run"),
        ("--out run", "give DATA and --out RUN, or --resume RUN"),
        ("{data}", "give DATA and --out RUN, or --resume RUN"),
    ],
)
def test_what_does_not_go_together_is_refused(
    words: str,
    message: str,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words.format(data=dataset).split()]) == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": "v9"}, r"'v9'.*: policy is one of none, v2\.1, v2\.3, resample$"),
        ({"policy": 3}, "got `int`.*: policy is one of none, "),
        ({"seed": 1, "cross_grid": "never"}, ": cross_grid is one of distance, always$"),
        ({"epochs": 0}, ">= 1"),
        ({"learning_rate": -1.0}, "> 0"),
        ({"speed": 3}, "unknown field `speed`: the settings are seed, policy, "),
        ({"dropout": 1.0}, "< 1"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe().with_settings(settings, "settings.toml")
