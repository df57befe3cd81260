"""The command `evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from geograph_types.cli.notices import note, warn_of_stand_in
from geograph_types.cli.options import any_path, check_outputs, output_path
from geograph_types_trainer.cli.bad_rows import report_bad_rows

if TYPE_CHECKING:
    from geograph_types_trainer.evaluation.results import Split


@click.command(
    epilog="Example: geograph-types evaluate run data.parquet --against released.pth --html e.html"
)
@click.argument("head", type=any_path, metavar="RUN|BUNDLE|CHECKPOINT")
@click.argument("data", type=any_path)
@click.option(
    "--against",
    type=any_path,
    multiple=True,
    metavar="OTHER",
    help="Also score this run, bundle or checkpoint on the same rows; may be repeated.",
)
@click.option(
    "--split",
    type=click.Choice(["tes", "val", "all"]),
    default="tes",
    show_default=True,
    help="Rows to score. With tes, thresholds and calibration come from the val rows.",
)
@click.option(
    "--keep", is_flag=True, help="Store calibration and thresholds from the val rows in RUN."
)
@click.option(
    "--precision",
    type=click.FloatRange(0.5, 1, max_open=True),
    default=0.95,
    show_default=True,
    help="Of certain tags, at least.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, max_open=True),
    default=0.9,
    show_default=True,
    help="Of that: thresholds of certain tags keep the precision with this probability.",
)
@click.option("--json", "json_file", type=output_path, metavar="FILE", help="Write JSON here.")
@click.option("--html", "html_file", type=output_path, metavar="FILE", help="Write a page here.")
def evaluate(
    head: Path,
    data: Path,
    against: tuple[Path, ...],
    split: "Split",
    keep: bool,
    precision: float,
    confidence: float,
    json_file: Path | None,
    html_file: Path | None,
) -> int:
    """Score a head on the held-out rows of a dataset, with the distance known and hidden.

    DATA is Parquet or JSON Lines in the published schema. The table goes to standard output. The
    exit status is 1 if some rows cannot be used.
    """
    import msgspec

    from geograph_types.files.atomic import new_file
    from geograph_types.thresholds import Guarantee
    from geograph_types_trainer.dataset.memory import TrainingData
    from geograph_types_trainer.evaluation.judge import evaluate as judge
    from geograph_types_trainer.evaluation.predictor import open_predictor
    from geograph_types_trainer.evaluation.table import show_evaluation

    check_outputs([json_file, html_file], [data, head, *against])
    if keep and not (head / "model.safetensors").is_file():
        raise click.UsageError("--keep takes a RUN")
    if len({head, *against}) <= len(against):
        raise click.UsageError("a head is given twice: each --against must be another head")
    predictors = [open_predictor(path) for path in (head, *against)]
    for predictor in predictors:
        if predictor.bundle:
            warn_of_stand_in(predictor.bundle)
    promise = Guarantee(precision, confidence)
    evaluation = judge(predictors, TrainingData.load(data), str(data), split, promise)
    if json_file:
        with new_file(json_file) as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(evaluation), indent=2) + b"\n")
        note(f"written: {json_file}")
    if html_file:
        from geograph_types_trainer.evaluation.page import evaluation_page

        with new_file(html_file) as stream:
            stream.write(evaluation_page(evaluation).encode())
        note(f"written: {html_file}")
    show_evaluation(evaluation)
    if keep:
        from geograph_types_trainer.evaluation.keep import keep_fitted
        from geograph_types_trainer.run import Run

        keep_fitted(Run.load(head), evaluation.heads[0], evaluation.data_sha256)
        note(f"calibration and thresholds stored: {head}")
    return report_bad_rows(evaluation.bad_rows, data)
