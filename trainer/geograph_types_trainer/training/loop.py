"""The training loop: epochs over the training split, scored on the validation split."""

import copy
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file
from geograph_types_trainer.dataset.memory import TrainingData
from geograph_types_trainer.device import seeded
from geograph_types_trainer.head import TypeHead, dropout_factors
from geograph_types_trainer.head_weights import HIDDEN
from geograph_types_trainer.metrics import PLAIN_THRESHOLD, count, macro_rates, micro_rates
from geograph_types_trainer.recipe import Recipe
from geograph_types_trainer.training.adamw import AdamW
from geograph_types_trainer.training.distances import (
    OTHERS_FROM,
    Views,
    training_views,
    validation_views,
)
from geograph_types_trainer.training.standardise import Standardisation


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """B rows, each at K distances."""

    inputs: Tensor  # float32 [B, 512]
    labels: Tensor  # float32 [B, 7]
    weights: Tensor  # float32 [B]
    shares: Tensor  # float32 [K], of the distances in the loss
    buckets: Tensor  # int64 [K, B]

    def losses(self, logits: Tensor, positive_weights: Tensor | None = None) -> Tensor:
        """Compute each row's loss [B] from logits [K, B, 7]: its weight times its mean BCE.

        `positive_weights` [7] scale the terms of positive labels.
        """
        each = nn.functional.binary_cross_entropy_with_logits(
            logits, self.labels.expand_as(logits), pos_weight=positive_weights, reduction="none"
        )
        return self.shares @ each.mean(dim=2) * self.weights


STEPS_PER_EPOCH: Final = 50
SMALLEST_BATCH: Final = 16
WARM_UP_SHARE: Final = 0.1
VALIDATION_ROWS: Final = 1024
RARE_SHARE: Final = 0.05

FIRST_WEIGHTS: Final = 0
"""Takes the place of the epoch in the seed of the first weights; epochs count from 1."""


@dataclass(frozen=True, slots=True)
class ValidationScores:
    """Scores on the validation split; F1 is at 0.5 and with the distance as recorded."""

    loss: float  # weighted mean BCE over the policy's distances
    micro_f1: float
    macro_f1: float
    class_f1: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """Losses and scores of one epoch."""

    number: int  # from 1
    training_loss: float
    validation: ValidationScores
    best: bool  # its validation loss is the lowest so far


class Training:
    """One training run, an epoch at a time.

    All randomness follows from the recipe's seed and the number of the epoch, so a training that
    is saved after any epoch and restored continues as if it had never stopped.
    """

    def __init__(self, data: TrainingData, recipe: Recipe, device: torch.device) -> None:
        """Prepare the first epoch; the dataset must have training and validation rows."""
        self.history: list[EpochRecord] = []
        self._recipe = recipe
        self._device = device
        self._data = data
        self._rows = {split: data.rows_of(split) for split in ("tra", "val")}
        for split, rows in self._rows.items():
            if not len(rows):
                raise InputError(
                    f"the dataset has no row in split {split!r}, and training needs one"
                )
            if not data.weights[rows].sum() > 0:
                raise InputError(
                    f"the weights of split {split!r} sum to 0, so nothing can be learned or "
                    "compared: set weights above 0 for some of its rows, or leave them out (1.0)"
                )
        self._batch = min(
            recipe.batch_size, max(SMALLEST_BATCH, len(self._rows["tra"]) // STEPS_PER_EPOCH)
        )
        self._steps = math.ceil(len(self._rows["tra"]) / self._batch)
        self._embeddings = torch.from_numpy(data.embeddings).to(device)
        self._labels = torch.from_numpy(data.labels).to(device)
        self._weights = torch.from_numpy(data.weights).to(device)
        scaling = Standardisation.identity()
        if recipe.standardise:
            scaling = Standardisation.of(data.embeddings, self._rows["tra"])
        self._scaling = scaling.to(device)
        with seeded(torch.device("cpu"), recipe.seed, FIRST_WEIGHTS):
            self._head = TypeHead(recipe.dropout).to(device)
        self._average = copy.deepcopy(self._head).eval()
        self._best = copy.deepcopy(self._average.state_dict())
        self._optimizer = _optimizer(self._head, recipe)
        self._balance = _positive_weights(data.labels[self._rows["tra"]], recipe).to(device)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the validation loss has not fallen for too long."""
        done = len(self.history)
        return done >= self._recipe.epochs or done - self.best_epoch >= self._recipe.patience

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest validation loss; 0 before the first."""
        return max((record.number for record in self.history if record.best), default=0)

    def run_epoch(self) -> EpochRecord:
        """Train on every row once, then validate."""
        number = len(self.history) + 1
        with seeded(self._device, self._recipe.seed, number):
            training_loss = self._train(number)
        scores = self._validate()
        if not (math.isfinite(training_loss) and math.isfinite(scores.loss)):
            raise InputError(
                f"the training diverged in epoch {number}: set a learning_rate below "
                f"{self._recipe.learning_rate:g} in a new run"
            )
        lowest = min((record.validation.loss for record in self.history), default=math.inf)
        record = EpochRecord(number, training_loss, scores, scores.loss < lowest)
        if record.best:
            self._best = copy.deepcopy(self._average.state_dict())
        self.history.append(record)
        return record

    def best_head(self) -> TypeHead:
        """Return the head of the best epoch: on the CPU, in eval mode, for raw embeddings."""
        head = TypeHead(self._recipe.dropout)
        head.load_state_dict(self._best)
        return self._scaling.folded_into(head)

    def save(self, path: Path) -> None:
        """Write what `restore` needs; the file is there in full or not at all."""
        state = {
            "head": self._head.state_dict(),
            "average": self._average.state_dict(),
            "best": self._best,
            "optimizer": self._optimizer.state(),
            "history": msgspec.json.encode(self.history).decode(),
        }
        with new_file(path) as stream:
            torch.save(state, stream)

    def restore(self, path: Path) -> None:
        """Continue from a file that `save` wrote, with the same data and recipe."""
        try:
            state = torch.load(path, map_location=self._device, weights_only=True)
            self._head.load_state_dict(state["head"])
            self._average.load_state_dict(state["average"])
            self._best = state["best"]
            self._optimizer.restore(state["optimizer"])
            self.history = msgspec.json.decode(state["history"], type=list[EpochRecord])
        except (KeyError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise InputError(f"{path} is not a saved training ({error}): start again") from None

    def _train(self, number: int) -> float:
        """Train on every row once; return the mean loss."""
        rows = self._rows["tra"]
        recipe = self._recipe
        shown = self._data.distance_rows(rows)
        views = self._on_device(training_views(recipe.policy, shown, recipe.seed, number))
        order = torch.randperm(len(rows))
        total = torch.zeros((), device=self._device)
        for step in range(self._steps):
            chosen = order[step * self._batch : (step + 1) * self._batch]
            batch = self._batch_of(rows, chosen, views)
            factors = dropout_factors(len(chosen), HIDDEN, recipe.dropout, self._device)
            image_part = self._head.image_part(batch.inputs)
            logits = self._head.logits_at(image_part, batch.buckets, factors)
            loss = batch.losses(logits, self._balance).mean()
            total += loss.detach() * len(chosen)
            if len(batch.shares) > OTHERS_FROM:
                probabilities = torch.sigmoid(logits)
                swing = probabilities[:1] - probabilities[OTHERS_FROM:]
                loss = loss + recipe.consistency * swing.square().mean()
            self._step((number - 1) * self._steps + step, loss)
        return total.item() / len(rows)

    def _step(self, step: int, loss: Tensor) -> None:
        """Take a step at the schedule's rate for this step of the whole run."""
        rate = self._recipe.learning_rate
        if self._recipe.schedule == "cosine":
            rate *= _cosine((step + 1) / (self._steps * self._recipe.epochs))
        self._optimizer.step(loss, rate)
        # A short memory at first, so that the average soon forgets the first weights.
        decay = min(self._recipe.averaging, (1 + step) / (10 + step))
        with torch.no_grad():
            for kept, new in zip(self._average.parameters(), self._head.parameters(), strict=True):
                kept.lerp_(new, 1.0 - decay)

    @torch.no_grad()
    def _validate(self) -> ValidationScores:
        """Score the averaged weights on the validation split, a chunk at a time."""
        rows = self._rows["val"]
        shown = self._data.distance_rows(rows)
        views = self._on_device(validation_views(self._recipe.policy, shown, self._recipe.seed))
        total, predicted = 0.0, []
        for start in range(0, len(rows), VALIDATION_ROWS):
            chosen = torch.arange(start, min(start + VALIDATION_ROWS, len(rows)))
            batch = self._batch_of(rows, chosen, views)
            logits = self._average.logits_at(self._average.image_part(batch.inputs), batch.buckets)
            total += batch.losses(logits).sum().item()
            # The first distances are the recorded ones.
            predicted.append((torch.sigmoid(logits[0]) >= PLAIN_THRESHOLD).cpu().numpy())
        counts = count(self._data.labels[rows], np.concatenate(predicted))
        return ValidationScores(
            loss=total / len(rows),
            micro_f1=float(micro_rates(counts).f1),
            macro_f1=float(macro_rates(counts).f1),
            class_f1=tuple(counts.rates().f1.tolist()),
        )

    def _batch_of(
        self, rows: NDArray[np.int64], chosen: Tensor, views: tuple[Tensor, Tensor]
    ) -> Batch:
        """Gather rows of a split, `chosen` [B] by their number in it."""
        places = torch.from_numpy(rows)[chosen].to(self._device)
        shares, buckets = views
        return Batch(
            inputs=self._scaling(self._embeddings.index_select(0, places)),
            labels=self._labels.index_select(0, places).float(),
            weights=self._weights.index_select(0, places),
            shares=shares,
            buckets=buckets.index_select(1, chosen.to(self._device)),
        )

    def _on_device(self, views: Views) -> tuple[Tensor, Tensor]:
        shares = torch.tensor(views.shares, device=self._device)
        return shares, torch.from_numpy(views.buckets).to(self._device)


def _optimizer(head: TypeHead, recipe: Recipe) -> AdamW:
    """Decay the weight matrices, but neither the distance table nor the biases."""
    decay = recipe.weight_decay
    return AdamW(
        dict.fromkeys((head.first.weight, head.last.weight), decay)
        | {head.dist_emb.weight: 0.0, head.first.bias: 0.0, head.last.bias: 0.0}
    )


def _cosine(progress: float) -> float:
    """Return the share of the learning rate at a point of the run, 0 to 1."""
    return min(1.0, progress / WARM_UP_SHARE) * 0.5 * (1.0 + math.cos(math.pi * progress))


def _positive_weights(labels: NDArray[np.uint8], recipe: Recipe) -> Tensor:
    """Compute the weights of positive labels, float32 [7], larger for rare classes."""
    shares = np.maximum(labels.sum(axis=0, dtype=np.int64), 1) / len(labels)
    rarity = np.maximum(RARE_SHARE / shares, 1.0) ** recipe.balance
    return torch.from_numpy(recipe.positive_weight * rarity).float()
