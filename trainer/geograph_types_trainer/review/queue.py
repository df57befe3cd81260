"""The queue itself: the questions in their order, as CSV and as a page."""

import csv
import hashlib
import io
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from string import Template
from typing import Final, NamedTuple

import msgspec
import numpy as np

from geograph_types.bundle import Bundle
from geograph_types.report.write import content_policy
from geograph_types.tags import FINAL_TAGS, final_tags
from geograph_types_trainer.review.order import Purpose, errors_first, lessons_first, questions
from geograph_types_trainer.review.rows import ReviewRow

PAGE: Final = files("geograph_types_trainer").joinpath("review", "page")


class Question(NamedTuple):
    """Whether a photo has a tag; the fields are the columns of the queue."""

    place: int  # of the row, from 1: its questions follow one another
    gridimage_id: int
    tag: str
    probability: float  # of the tag
    given: str  # raw tags, with commas between; empty if unknown
    predicted: str
    certain: str
    link: str


def make_queue(
    rows: Iterable[ReviewRow], bundle: Bundle, purpose: Purpose, budget: int
) -> tuple[list[Question], int]:
    """Order rows by what a look is worth, and return the questions of the first `budget` of them.

    Rows whose given tags cannot be read are left out, and counted in the second value; so are rows
    without given tags where errors are sought.
    """
    good: list[ReviewRow] = []
    labels: list[bytes] = []
    left_out = 0
    for row in rows:
        of_row = row.labels
        if of_row is None or (purpose == "errors" and not row.types):
            left_out += 1
        else:
            good.append(row)
            labels.append(of_row)
    if not good:
        return [], left_out
    held = np.frombuffer(b"".join(labels), np.uint8).reshape(len(good), -1)
    scores = np.stack([row.probabilities for row in good])
    worth, doubts = errors_first(held, scores) if purpose == "errors" else lessons_first(scores)
    asked = questions(doubts)
    found = []
    for place, index in enumerate(np.argsort(-worth, kind="stable")[:budget].tolist(), start=1):
        first = np.argsort(-doubts[index], kind="stable")
        classes = first[asked[index][first]].tolist()
        found += [_question(place, good[index], number, bundle) for number in classes]
    return found, left_out


def _question(place: int, row: ReviewRow, number: int, bundle: Bundle) -> Question:
    thresholds = bundle.manifest.thresholds.at(row.distance.bucket)
    said = final_tags(row.probabilities.tolist(), thresholds, None)
    return Question(
        place,
        row.gridimage_id,
        FINAL_TAGS[number],
        round(float(row.probabilities[number]), 4),
        row.types,
        ",".join(said.tags),
        ",".join(said.certain),
        row.link,
    )


def queue_table(queue: list[Question]) -> bytes:
    """Return the questions as CSV with a header."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(Question._fields)
    writer.writerows(queue)
    return text.getvalue().encode(errors="surrogateescape")


def queue_page(queue: list[Question], bundle: Bundle) -> bytes:
    """Return the questions as a page that keeps the verdicts in the browser.

    It fetches nothing but the photos that lie on the same machine.
    """
    # Ids as text: JavaScript's numbers have 53 bits.
    rows = [dict(one._asdict(), gridimage_id=str(one.gridimage_id)) for one in queue]
    data = msgspec.json.encode(rows).decode().replace("<", "\\u003c")
    key = hashlib.sha256(data.encode()).hexdigest()[:16]
    script = PAGE.joinpath("script.js").read_text("utf-8")
    style = PAGE.joinpath("style.css").read_text("utf-8")
    page = Template(PAGE.joinpath("page.html").read_text("utf-8"))
    return page.substitute(
        policy=content_policy(style, script, images="file:"),
        style=style,
        script=script,
        data=data,
        key=key,
        bundle=escape(bundle.label),
    ).encode()
