"""The settings of a training run, and the named recipes."""

import tomllib
from collections.abc import Mapping
from enum import EnumType
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, get_args, get_origin

import msgspec

from geograph_types.errors import InputError
from geograph_types_trainer.labels import CrossGridRule

PolicyName: TypeAlias = Literal["none", "v2.1", "v2.3", "resample"]
Schedule: TypeAlias = Literal["constant", "cosine"]

Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]
Positive: TypeAlias = Annotated[float, msgspec.Meta(gt=0.0)]
NotNegative: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a head is trained."""

    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    # Distances that rows are shown with; see `training.distances`.
    policy: PolicyName = "resample"
    # Weight of the mean squared difference between the probabilities at the recorded distance and
    # at other rows' distances; only `resample` shows both.
    consistency: NotNegative = 0.24
    cross_grid: CrossGridRule = CrossGridRule.DISTANCE
    epochs: Count = 15  # at most
    # Training stops after this many epochs without a lower validation loss.
    patience: Count = 15
    batch_size: Count = 512  # smaller on small datasets, so that an epoch has 50 steps
    learning_rate: Positive = 4e-3  # at its highest
    # "cosine" warms up over a tenth of all steps, then falls to 0.
    schedule: Schedule = "cosine"
    weight_decay: NotNegative = 0.5  # on weight matrices only
    dropout: Share = 0.5  # of the hidden units
    # Scale each embedding dimension to mean 0 and variance 1 in training; the saved head takes raw
    # embeddings all the same.
    standardise: bool = True
    # Decay of the moving average of the weights, which is what is kept; 0 keeps the last weights.
    averaging: Share = 0.995
    # Weight of positive labels; above 1 it moves the threshold of the best F1 up towards 0.5.
    positive_weight: Positive = 1.25
    # Positives of classes below 5 % of the rows weigh (5 % / share) ** balance times as much.
    balance: NotNegative = 0.5

    def with_settings(self, settings: Mapping[str, Any], source: str) -> Self:
        """Replace some settings, by name; `source` is where they come from, for errors."""
        try:
            return msgspec.convert(msgspec.to_builtins(self) | dict(settings), type(self))
        except msgspec.ValidationError as error:
            raise InputError(f"{source}: {error}{_advice(settings)}") from None

    def read(self, path: Path) -> Self:
        """Replace the settings in a TOML file, at its top level or in a table `recipe`."""
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror})") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not valid TOML ({error})") from None
        settings = content.get("recipe", content)
        if not isinstance(settings, dict):
            raise InputError(f"{path}: recipe must be a table of settings")
        return self.with_settings(settings, str(path))


def _advice(settings: Mapping[str, Any]) -> str:
    """List the choices for the first setting that is not one of them."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(Recipe)}
    for name, given in settings.items():
        if name not in kinds:
            return f": the settings are {', '.join(kinds)}"
        kind = kinds[name]
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        if isinstance(kind, EnumType):
            choices = tuple(kind)
        if choices and given not in choices:
            return f": {name} is one of {', '.join(choices)}"
    return ""


RECIPES: Final[Mapping[str, Recipe]] = {
    "default": Recipe(),
    "released": Recipe(
        policy="none",
        epochs=50,
        patience=7,
        batch_size=1024,
        learning_rate=1e-3,
        schedule="constant",
        weight_decay=0.0,
        dropout=0.2,
        standardise=False,
        averaging=0.0,
        positive_weight=1.0,
        balance=0.0,
    ),
}
"""The project's own recipe, and the published one."""
