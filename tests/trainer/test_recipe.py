from pathlib import Path
from typing import Any

import pytest

from geograph_types.cli.main import main
from geograph_types.errors import InputError
from geograph_types_trainer.recipe import RECIPES, Recipe
from geograph_types_trainer.run import Run


def test_settings_come_from_recipe_then_file_then_options(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = tmp_path / "settings.toml", tmp_path / "run"
    config.write_text("epochs = 2\nlearning_rate = 5e-4\n")
    words = ["train", str(dataset), "--out", str(out), "--recipe", "released"]
    options = ["--config", str(config), "--seed", "3", "--policy", "v2.1"]
    assert main([*words, *options]) == 0
    assert capsys.readouterr().err.count("epoch") == 3
    recipe = Run.load(out).recipe
    assert (recipe.epochs, recipe.learning_rate, recipe.seed) == (2, 5e-4, 3)
    assert (recipe.policy, recipe.standardise) == ("v2.1", False)
    assert RECIPES["default"].read(out / "config.toml") == recipe


def test_what_does_not_go_together_is_refused(
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, message in {
        "--resume run --epochs 3": "--resume takes every setting from the run itself",
        "--resume run --out other": "--resume takes every setting from the run itself",
        "--resume run --device auto": "--resume takes every setting from the run itself",
        "--resume run": "run is not a run: start one with train DATA --out run",
        "--out run": "give DATA and --out RUN, or --resume RUN",
        f"{dataset}": "give DATA and --out RUN, or --resume RUN",
    }.items():
        assert main(["train", *words.split()]) == 2
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
