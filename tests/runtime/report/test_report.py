"""The page of thumbnails says what the tagger said, and nothing that a file name smuggles in."""

import base64
import hashlib
import io
import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from geograph_types import CLASSES, Bundle, Distance, Prediction, TypeTagger
from geograph_types.distance.crossing import Crossing
from geograph_types.distance.distance import DistanceBasis, DistanceSource
from geograph_types.errors import PhotoError, PhotoFault
from geograph_types.photos.result import PhotoResult
from geograph_types.report.write import write_report

HOSTILE = (
    "<script>alert(1)</script>.jpg",
    "</article></main><img src=x onerror=alert(1)>.jpg",
    "\"' onload='alert(1).jpg",
    "<!--.jpg",
    "$cards ${script} &lt;b&gt;.jpg",
    "\u202egpj.exe",
    os.fsdecode(b"caf\xe9.jpg"),
    "new\nline.jpg",
)


class Page(HTMLParser):
    """Collects what a browser would load, run or show."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.cards: list[dict[str, str]] = []
        self.words: list[str] = []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = [(name, value or "") for name, value in attrs]
        self.attributes += given
        if tag == "article":
            self.cards.append(dict(given))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def pictures(self) -> list[Image.Image]:
        sources = [value for name, value in self.attributes if name == "src"]
        prefix = "data:image/webp;base64,"
        assert all(source.startswith(prefix) for source in sources)
        return [
            Image.open(io.BytesIO(base64.b64decode(source.removeprefix(prefix))))
            for source in sources
        ]


def failure(name: str) -> PhotoResult:
    return PhotoResult(Path(name), None, PhotoError(name, PhotoFault.NOT_AN_IMAGE, f"in {name}"))


def prediction(tags: tuple[str, ...] = ("Inside",), **given: object) -> Prediction:
    fields: dict[str, object] = {
        "probabilities": dict.fromkeys(CLASSES, 0.25) | dict.fromkeys(tags, 0.75),
        "tags": tags,
        "low_confidence": False,
        "distance": Distance.unknown(),
        "model": "test 1",
        "stand_in": False,
    }
    return Prediction(**(fields | given))  # type: ignore[arg-type]


@pytest.fixture
def opened(head_bundle: Path) -> Bundle:
    return Bundle.open(head_bundle)


def test_a_page_has_each_photo_its_tags_and_seven_bars(
    bundle: Path, photo: Path, tmp_path: Path
) -> None:
    tagger = TypeTagger(bundle)
    said = tagger.tag(photo, 120)
    results = [PhotoResult(photo, said, None, "Inside"), failure("text.jpg")]
    write_report(tmp_path / "page.html", results, tagger.bundle)
    page = Page(tmp_path / "page.html")
    assert page.tags.count("article") == 2
    assert [picture.size for picture in page.pictures] == [(192, 192)]
    assert "stand-in weights" in page.text
    assert f"Tagged by {tagger.bundle.label}" in page.text
    assert "Distance 120 m" in page.text
    assert "Moderators: Inside" in page.text
    assert "not_an_image in text.jpg" in page.text
    assert "2 photos on this page, 1 of them failed" in page.text
    bars = re.findall(r'<li class="p(\d+)( on)?">([\w ]+) <b>([\d.]+)</b>', page.source)
    assert [name for _, _, name, _ in bars] == list(CLASSES)
    for width, on, name, number in bars:
        value = said.probabilities[name]
        assert number == f"{value:.2f}"
        assert abs(int(width) / 100 - value) <= 0.0051
        assert bool(on) == (value >= tagger.bundle.manifest.thresholds[name])
    assert page.cards[0]["data-values"] == " ".join(f"{said.probabilities[n]:.2f}" for n in CLASSES)
    assert page.cards[0]["data-tags"] == ",".join(said.tags)


def test_bars_are_marked_by_the_threshold_that_photos_were_tagged_with(
    bundle: Path, photo: Path, tmp_path: Path
) -> None:
    tagger = TypeTagger(bundle)
    said = tagger.tag(photo, 120)
    for threshold in (0.0, 1.0):
        page = tmp_path / "page.html"
        write_report(page, [PhotoResult(photo, said, None, "")], tagger.bundle, threshold)
        marked = re.findall(r'<li class="p\d+ on">', page.read_text("utf-8"))
        assert len(marked) == (len(CLASSES) if threshold == 0 else 0)
        assert f"--threshold: {threshold:.1%}" in page.read_text("utf-8")


def test_a_picture_is_the_middle_of_its_photo(opened: Bundle, tmp_path: Path) -> None:
    image = Image.new("RGB", (900, 300), "red")
    image.paste("blue", (300, 0, 600, 300))
    image.save(tmp_path / "wide.png")
    results = [PhotoResult(tmp_path / "wide.png", prediction(), None)]
    write_report(tmp_path / "page.html", results, opened)
    (picture,) = Page(tmp_path / "page.html").pictures
    for corner in ((3, 3), (188, 3), (3, 188), (188, 188)):
        red, _, blue = picture.convert("RGB").getpixel(corner)
        assert blue > 200 > 60 > red


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown_and_does_nothing(
    opened: Bundle, tmp_path: Path, name: str
) -> None:
    for file, shown in (("plain.html", "plain.jpg"), ("page.html", name)):
        path = tmp_path / shown / shown
        error = PhotoError(shown, PhotoFault.NOT_AN_IMAGE, shown)
        write_report(tmp_path / file, [PhotoResult(path, None, error, f"Inside,{shown}")], opened)
    plain, page = Page(tmp_path / "plain.html"), Page(tmp_path / "page.html")
    assert page.tags == plain.tags
    assert {n for n, _ in page.attributes} == {n for n, _ in plain.attributes}
    shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    assert " ".join(Path(shown).name.split()) in page.text


def test_the_page_loads_nothing_and_allows_its_own_style_and_script_only(
    opened: Bundle, photo: Path, tmp_path: Path
) -> None:
    results = [PhotoResult(photo, prediction(), None), failure("text.jpg")]
    write_report(tmp_path / "page.html", results, opened)
    page = Page(tmp_path / "page.html")
    source = page.source
    (policy,) = (value for _, value in page.attributes if value.startswith("default-src"))
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == "'none'"
    assert rules.pop("img-src") == "data:"
    assert rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    for kind in ("style", "script"):
        (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", source, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(f"{kind}-src") == f"'sha256-{digest}'"
        assert "url(" not in text
        assert "innerHTML" not in text
    assert not rules
    assert not re.search(r"(https?|ftp|wss?):", source)
    assert page.pictures
    assert "href" not in {name for name, _ in page.attributes}
    assert not {"link", "iframe", "object", "base"} & set(page.tags)
    handlers = [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert not handlers


def test_cards_say_what_filters_ask(opened: Bundle, photo: Path, tmp_path: Path) -> None:
    drone = prediction(("From Drone", "Geograph"))
    results = [
        PhotoResult(photo, prediction(low_confidence=True), None),
        PhotoResult(photo, drone, None, "Geograph, From Above", truncated=True),
        PhotoResult(photo, drone, None, "Geograph"),
        PhotoResult(photo, None, PhotoError("x", PhotoFault.DAMAGED, ""), "Geograph"),
    ]
    write_report(tmp_path / "page.html", results, opened)
    page = Page(tmp_path / "page.html")
    flags = ("data-low", "data-truncated", "data-failed")
    assert [[flag in card for flag in flags] for card in page.cards] == [
        [True, False, False],
        [False, True, False],
        [False, False, False],
        [False, False, True],
    ]
    assert [card.get("data-moderators") for card in page.cards] == [None, "agree", "differ", None]
    for words in ("low confidence", "file is cut off", "agree", "differ", "damaged"):
        assert words in page.text


@pytest.mark.parametrize(
    ("distance", "shown"),
    [
        (Distance.unknown(), "Distance unknown"),
        (Distance.from_metres(1234.4), "Distance 1,234 m (given in metres)"),
        (
            Distance(80, DistanceBasis.POSITIONS, Crossing.CROSSED, DistanceSource.EXIF),
            "Distance 80 m (between positions, EXIF, into another 1 km square)",
        ),
        (
            Distance(None, DistanceBasis.TOO_COARSE, Crossing.TOO_COARSE, DistanceSource.STATED),
            "Distance unknown (reference too coarse, labels file, too coarse to tell the square)",
        ),
    ],
)
def test_a_distance_and_what_it_rests_on(
    opened: Bundle, photo: Path, tmp_path: Path, distance: Distance, shown: str
) -> None:
    results = [PhotoResult(photo, prediction(distance=distance), None)]
    write_report(tmp_path / "page.html", results, opened)
    assert f"{shown} {photo.name}" in Page(tmp_path / "page.html").text


def test_every_source_and_crossing_has_words(opened: Bundle, photo: Path, tmp_path: Path) -> None:
    distances = [
        Distance(5, DistanceBasis.POSITIONS, crossing, source)
        for crossing in Crossing
        for source in DistanceSource
    ]
    results = [PhotoResult(photo, prediction(distance=one), None) for one in distances]
    write_report(tmp_path / "page.html", results, opened)
    page = Page(tmp_path / "page.html")
    assert len(page.cards) == len(distances)
    assert "too close to a grid line" in page.text


def test_a_photo_that_has_gone_costs_its_picture_only(
    opened: Bundle, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text("not a photo any more")
    paths = [photo, tmp_path / "gone.jpg", tmp_path / "text.jpg", tmp_path, photo]
    write_report(
        tmp_path / "page.html", [PhotoResult(path, prediction(), None) for path in paths], opened
    )
    page = Page(tmp_path / "page.html")
    assert len(page.cards) == 5
    assert len(page.pictures) == 2
    assert page.text.count("can no longer be opened") == 3


def test_results_that_break_off_leave_the_page_that_was_there(
    opened: Bundle, photo: Path, tmp_path: Path
) -> None:
    def broken() -> Iterator[PhotoResult]:
        yield PhotoResult(photo, prediction(), None)
        raise KeyboardInterrupt

    (tmp_path / "page.html").write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path / "page.html", broken(), opened)
    assert (tmp_path / "page.html").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_page_of_no_photos_is_a_page(opened: Bundle, tmp_path: Path) -> None:
    write_report(tmp_path / "page.html", [], opened)
    assert "0 photos on this page" in Page(tmp_path / "page.html").text


def test_a_result_is_a_prediction_or_an_error(photo: Path) -> None:
    error = PhotoError("x", PhotoFault.EMPTY, "")
    for both_or_none in ((None, None), (prediction(), error)):
        with pytest.raises(ValueError, match="either a prediction or an error"):
            PhotoResult(photo, *both_or_none)
