"""Every setting of a training run, and the named sets of them."""

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
    """How a head is trained.

    Attributes:
        seed: of all randomness: weights, order of rows, dropout, distances.
        policy: distances that rows are shown with; see `policies`.
        consistency: weight of the mean squared difference between the probabilities at the
            distance as recorded and at other rows'; only `resample` shows both.
        cross_grid: when the raw tag Cross Grid makes the label Cross Far.
        epochs: at most.
        patience: epochs without a better validation loss after which training stops.
        batch_size: rows in a step; fewer on small sets, so that an epoch has 50 steps.
        learning_rate: at its highest.
        schedule: "constant", or "cosine": a tenth of all steps rising, then falling to 0.
        weight_decay: of AdamW, on weight matrices.
        dropout: share of hidden units left out in a step.
        standardise: scale each embedding dimension to mean 0 and variance 1 while training; the
            saved head takes raw embeddings all the same.
        averaging: decay of the moving average of the weights that is kept; 0 keeps the last ones.
        positive_weight: of labels that hold; above 1 it moves the threshold of the best F1, which
            is below 0.5 otherwise, towards 0.5.
        balance: labels that hold of classes below 5 % of the rows weigh (5 % / share) ** balance
            times as much; 0 weighs all classes alike.
    """

    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    policy: PolicyName = "resample"
    consistency: NotNegative = 0.24
    cross_grid: CrossGridRule = CrossGridRule.DISTANCE
    epochs: Count = 15
    patience: Count = 15
    batch_size: Count = 512
    learning_rate: Positive = 4e-3
    schedule: Schedule = "cosine"
    weight_decay: NotNegative = 0.5
    dropout: Share = 0.5
    standardise: bool = True
    averaging: Share = 0.995
    positive_weight: Positive = 1.25
    balance: NotNegative = 0.5

    def with_settings(self, settings: Mapping[str, Any], source: str) -> Self:
        """Replace some settings.

        Args:
            settings: by name.
            source: where they come from, for the error.

        Raises:
            InputError: an unknown name or a value that cannot be; it says which there are.
        """
        try:
            return msgspec.convert(msgspec.to_builtins(self) | dict(settings), type(self))
        except msgspec.ValidationError as error:
            raise InputError(f"{source}: {error}{_advice(settings)}") from None

    def read(self, path: Path) -> Self:
        """Replace the settings that a TOML file gives, at its top or in a table `recipe`.

        The `config.toml` of a run can be given.

        Raises:
            InputError: the file cannot be read, or gives something that is no setting.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror})") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is no TOML file ({error})") from None
        settings = content.get("recipe", content)
        if not isinstance(settings, dict):
            raise InputError(f"{path}: recipe is no table")
        return self.with_settings(settings, str(path))


def _advice(settings: Mapping[str, Any]) -> str:
    """List what there is to choose from, for the first setting that is none of it."""
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
