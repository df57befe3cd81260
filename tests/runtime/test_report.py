"""The page of thumbnails says what the tagger said, and nothing that a file name smuggles in."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from geograph_types import CLASSES, TypeTagger
from geograph_types.errors import PhotoError, PhotoFault
from geograph_types.report import write_report
from geograph_types.results import PhotoResult


class Page(HTMLParser):
    """Collects what a browser would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_page_has_each_photo_its_tags_and_seven_bars(
    bundle: Path, photo: Path, tmp_path: Path
) -> None:
    tagger = TypeTagger(bundle)
    prediction = tagger.tag(photo, 120)
    hostile = PhotoError("x", PhotoFault.NOT_AN_IMAGE, "no image")
    results = [
        PhotoResult(photo, prediction, None, "Inside"),
        PhotoResult(Path("<script>alert(1)</script>.jpg"), None, hostile),
    ]
    write_report(tmp_path / "page.html", results, tagger.bundle)
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.tags.count("article") == 2
    assert "script" not in page.tags
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    words = " ".join(page.text)
    assert "stand-in weights" in words
    assert "Distance: 120 m" in words
    assert "Moderators: Inside" in words
    assert "not_an_image" in words
    for name in CLASSES:
        assert f"{prediction.probabilities[name]:.2f}" in words


def test_a_result_is_a_prediction_or_an_error(bundle: Path, photo: Path) -> None:
    error = PhotoError("x", PhotoFault.EMPTY, "")
    prediction = TypeTagger(bundle).tag(photo)
    for both_or_none in ((None, None), (prediction, error)):
        with pytest.raises(ValueError, match="either a prediction or an error"):
            PhotoResult(photo, *both_or_none)


def test_bars_are_as_long_as_their_numbers(bundle: Path, photo: Path, tmp_path: Path) -> None:
    tagger = TypeTagger(bundle)
    write_report(
        tmp_path / "page.html", [PhotoResult(photo, tagger.tag(photo), None)], tagger.bundle
    )
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    widths = [int(width) for width in re.findall(r'style="width:(\d+)%"', text)]
    numbers = [float(number) for number in re.findall(r'class="number">([\d.]+)<', text)]
    assert len(widths) == len(numbers) == len(CLASSES)
    assert all(
        abs(width / 100 - number) <= 0.011 for width, number in zip(widths, numbers, strict=True)
    )
