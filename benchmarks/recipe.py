"""Compare training recipes and distance policies over several seeds, as a Markdown table.

    python benchmarks/recipe.py DATA.parquet --work runs [--seeds 3]

Each row is trained with the library's own `train` and judged by its `evaluate` on the test split:
mean and standard deviation over the seeds. Finished runs in the folder are not trained again.
"""

import argparse
import statistics
from pathlib import Path

from geograph_types_trainer.dataset.memory import TrainingData
from geograph_types_trainer.evaluation.judge import evaluate
from geograph_types_trainer.evaluation.predictor import open_predictor
from geograph_types_trainer.evaluation.results import HeadEvaluation
from geograph_types_trainer.recipe import RECIPES
from geograph_types_trainer.run import Run
from geograph_types_trainer.training.start import start_run
from reporting.figures import table

VARIANTS = {
    "released, none": ("released", "none"),
    "released, v2.1": ("released", "v2.1"),
    "released, v2.3": ("released", "v2.3"),
    "released, resample": ("released", "resample"),
    "default, none": ("default", "none"),
    "default (resample)": ("default", "resample"),
}

COLUMNS = (
    "micro-F1, recorded",
    "unknown",
    "other row",
    "tags flip",
    "macro-F1 at 0.5",
    "macro-F1 tuned",
    "From Drone F1 at 0.5",
)


def figures(judged: HeadEvaluation) -> list[float]:
    """Return the columns' values for one head."""
    recorded, unknown, other = judged.distances
    scores = {scores.rule: scores for scores in judged.states[0].scores}  # distance known
    drone = next(c for c in scores["0.5"].classes if c.name == "From Drone")
    return [
        recorded.micro_f1,
        unknown.micro_f1,
        other.micro_f1,
        other.flipped,
        scores["0.5"].mean("macro").f1,
        scores["validation"].mean("macro").f1,
        drone.f1,
    ]


def trained(data: Path, folder: Path, recipe: str, policy: str, seed: int) -> Path:
    """Train a run, unless it is there."""
    out = folder / f"{recipe}-{policy}-{seed}"
    if not (out / "metrics.json").exists():
        settings = RECIPES[recipe].with_settings({"policy": policy, "seed": seed}, "benchmark")
        start_run(data, out, settings, "cpu", lambda *_: None)
    return Run.load(out).path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--teacher", type=Path, help="a head to judge on the same rows")
    options = parser.parse_args()
    data = TrainingData.load(options.data)
    heads = {"teacher": [options.teacher]} if options.teacher else {}
    for name, (recipe, policy) in VARIANTS.items():
        heads[name] = [
            trained(options.data, options.work, recipe, policy, seed)
            for seed in range(options.seeds)
        ]
    rows = []
    for name, paths in heads.items():
        found = [
            figures(evaluate([open_predictor(path)], data, "benchmark").heads[0]) for path in paths
        ]
        cells = [
            f"{statistics.mean(values):.4f} ± {statistics.pstdev(values):.4f}"
            for values in zip(*found, strict=True)
        ]
        rows.append([name, *cells])
    print("\n".join(table(["recipe, policy", *COLUMNS], rows)))


if __name__ == "__main__":
    main()
