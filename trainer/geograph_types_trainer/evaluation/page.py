"""An evaluation as one self-contained HTML page."""

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.evaluation.plots import Mark, colour, reliability_plot, scale_row, track
from geograph_types_trainer.evaluation.results import Evaluation, HeadEvaluation, Interval
from geograph_types_trainer.evaluation.table import RULES, SEEN, Figures, tables

DISTANCES = {
    "recorded": "as recorded",
    "unknown": "unknown",
    "other row": "from another row",
}
AXIS = f'<div class="row" aria-hidden="true"><div></div>{scale_row()}<div></div></div>'
SPLITS = {"tes": "the test split", "val": "the validation split", "all": "all splits"}


def evaluation_page(evaluation: Evaluation) -> str:
    """Return an evaluation as HTML, with style and plots inside; no script, nothing fetched."""
    style = files("geograph_types_trainer").joinpath("evaluation", "page.css").read_text("utf-8")
    sections = (_summary, _class_section, _distance_section, _calibration_section)
    body = "\n".join(part for section in sections for part in section(evaluation))
    numbers = "\n".join(map(_table, tables(evaluation)))
    title = f"Evaluation of {', '.join(evaluation.labels)}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n<h2>All numbers</h2>\n{numbers}\n</main>\n</body>\n</html>\n"
    )


def _heads(evaluation: Evaluation) -> Iterator[tuple[int, str, HeadEvaluation]]:
    for i, (label, head) in enumerate(zip(evaluation.labels, evaluation.heads, strict=True)):
        yield i, label, head


def _summary(evaluation: Evaluation) -> Iterator[str]:
    yield "<h1>How good the Type predictions are</h1>"
    fitted = (
        f"Thresholds and calibration were fitted on {evaluation.validation_rows:,} validation rows."
        if evaluation.validation_rows
        else "Nothing was fitted for this evaluation."
    )
    bad = sum(evaluation.bad_rows.values())
    left_out = f" {bad:,} damaged rows were left out." if bad else ""
    sample = f" The file is {evaluation.sample_remark}." if evaluation.sample_remark else ""
    yield (
        f"<p>{evaluation.rows:,} rows of {escape(evaluation.data)}, {SPLITS[evaluation.split]}. "
        f"{fitted}{left_out}{sample} Intervals are 95 % bootstrap intervals.</p>"
    )
    yield '<div class="cards">'
    for i, label, head in _heads(evaluation):
        seen = f"<span>on rows{SEEN[head.seen]}</span>" if head.seen else ""
        rule = RULES[head.states[-1].quoted.rule]
        yield f'<div class="card {colour(i)}"><span>{escape(label)}</span>'
        for state in head.states:
            asked = state.at_075[-1]
            yield (
                f"<b>{state.quoted.mean('macro').f1:.3f}</b>"
                f"<span>macro-F1, {_ends(state.quoted.mean('macro').f1_interval)}, distance "
                f"{state.state}</span><span>precision at 0.75 {asked.precision or 0:.3f}, "
                f"{_ends(asked.interval)}</span>"
            )
        yield f'{seen}<span class="quiet">{escape(rule)}</span></div>'
    yield "</div>"


def _ends(interval: Interval | None) -> str:
    low, high = interval or (0.0, 1.0)
    return f"{low:.3f} to {high:.3f}"


def _class_section(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>F1 of each class</h2>"
    yield (
        "<p>Dots are F1, lines its interval; for each head, in the order and colours above, a line "
        "with the distance known and one with it unknown.</p>"
    )
    yield '<div class="chart">'
    for k, name in enumerate(CLASSES):
        found = [(i, s.quoted.classes[k]) for i, _, h in _heads(evaluation) for s in h.states]
        label = f"{escape(name)} <span class=quiet>({found[-1][1].support:,})</span>"
        shown = [(i, one) for i, one in found if one.support]
        marks = [Mark(i, one.f1, *one.f1_interval) for i, one in shown]
        texts = [(i, f"{one.f1:.3f}") for i, one in shown] or [(0, "no rows")]
        yield _row(label, marks, f"F1 of {name}", texts)
    yield f"{AXIS}</div>"


def _distance_section(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>Distance honesty</h2>"
    yield (
        "<p>Micro-F1 at 0.5 of the same rows with the distance as recorded, unknown, and taken "
        "from another row at random. A head that reads the distance instead of the picture falls, "
        "and its tags flip.</p>"
    )
    yield '<div class="chart">'
    for k, (key, text) in enumerate(DISTANCES.items()):
        found = [head.distances[k] for head in evaluation.heads]
        marks = [Mark(i, one.micro_f1) for i, one in enumerate(found)]
        flips = ["" if key == "recorded" else f", {one.flipped:.0%} flip" for one in found]
        values = [f"{one.micro_f1:.3f}{flip}" for one, flip in zip(found, flips, strict=True)]
        yield _row(text, marks, f"micro-F1, distance {key}", list(enumerate(values)))
    yield f"{AXIS}</div>"


def _row(label: str, marks: Sequence[Mark], name: str, values: Sequence[tuple[int, str]]) -> str:
    described = f"{name}: {'; '.join(text for _, text in values)}"
    texts = "".join(f'<span class="{colour(i)}">{text}</span>' for i, text in values)
    return (
        f'<div class="row"><div>{label}</div>{track(marks, described)}'
        f'<div class="values">{texts}</div></div>'
    )


def _calibration_section(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>Calibration</h2>"
    fitted = bool(evaluation.validation_rows)
    scaled = " The dashed line is after scaling on validation rows." if fitted else ""
    yield (
        "<p>Across: the probability that a head gives. Up: the share of those rows that have the "
        "class; large dots stand for many rows. On the diagonal, 0.8 comes true 8 times in 10."
        f"{scaled}</p>"
    )
    for i, label, state in ((i, n, state) for i, n, h in _heads(evaluation) for state in h.states):
        title = f"{escape(label)}, distance {state.state}"
        yield f'<h3 class="{colour(i)}">{title}</h3><div class="plots">'
        for found in state.calibration:
            after = "" if found.error_after is None else f", scaled {found.error_after:.3f}"
            yield (
                f"<figure>{reliability_plot(found.name, i, found.bins, found.bins_after)}"
                f"<figcaption>{escape(found.name)}"
                f"<span>error {found.error:.3f}{after}</span></figcaption></figure>"
            )
        yield "</div>"


def _table(figures: Figures) -> str:
    top = "".join(f'<th scope="col">{escape(text)}</th>' for text in figures.columns)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(text)}</td>" for text in row[1:])
        + "</tr>"
        for row in figures.rows
    )
    title = escape(figures.title)
    note = f"<p>{escape(figures.note)}</p>" if figures.note else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table>'
        f"<caption>{title}</caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>{note}"
    )
