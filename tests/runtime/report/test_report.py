import base64
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import product
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
        kinds, files = zip(*(source.split(",") for source in sources), strict=True)
        assert set(kinds) == {"data:image/webp;base64"}
        return [Image.open(io.BytesIO(base64.b64decode(file))) for file in files]


def failure(name: str) -> PhotoResult:
    return PhotoResult(Path(name), None, PhotoError(name, PhotoFault.NOT_AN_IMAGE, f"in {name}"))


def prediction(tags: tuple[str, ...] = ("Inside",), **given: object) -> Prediction:
    fields: dict[str, object] = {
        "probabilities": dict.fromkeys(CLASSES, 0.25) | dict.fromkeys(tags, 0.75),
        "tags": tags,
        "certain": (),
        "low_confidence": False,
        "distance": Distance.unknown(),
        "model": "test 1",
        "stand_in": False,
    }
    return Prediction(**(fields | given))  # type: ignore[arg-type]


@pytest.fixture
def write(head_bundle: Path, tmp_path: Path) -> Callable[..., Page]:
    def write(*results: PhotoResult) -> Page:
        write_report(tmp_path / "page.html", results, Bundle.open(head_bundle))
        return Page(tmp_path / "page.html")

    return write


def test_a_page_has_photos_tags_and_bars(bundle: Path, photo: Path, tmp_path: Path) -> None:
    tagger = TypeTagger(bundle)
    said = tagger.tag(photo, 120)
    results = [PhotoResult(photo, said, None, "Inside"), failure("text.jpg")]
    write_report(tmp_path / "page.html", results, tagger.bundle)
    page = Page(tmp_path / "page.html")
    assert page.tags.count("article") == 2
    assert [picture.size for picture in page.pictures] == [(192, 192)]
    for words in (
        "stand-in weights",
        f"Tagged by {tagger.bundle.label}",
        "Distance 120 m",
        "Moderators: Inside",
        "not_an_image in text.jpg",
        "2 photos on this page, 1 of them failed",
    ):
        assert words in page.text
    bars = re.findall(r'<li class="p(\d+)( on)?">([\w ]+) <b>([\d.]+)</b>', page.source)
    assert [name for _, _, name, _ in bars] == list(CLASSES)
    for width, on, name, number in bars:
        value = said.probabilities[name]
        assert number == f"{value:.2f}"
        assert abs(int(width) / 100 - value) <= 0.0051
        assert bool(on) == (value >= tagger.bundle.manifest.thresholds.known.tags[name])
    assert page.cards[0]["data-values"] == " ".join(f"{said.probabilities[n]:.2f}" for n in CLASSES)
    assert page.cards[0]["data-tags"] == ",".join(said.tags)


@pytest.mark.parametrize(("threshold", "marked"), [(0.0, len(CLASSES)), (1.0, 0)])
def test_bars_are_marked_by_the_threshold(
    bundle: Path, photo: Path, tmp_path: Path, threshold: float, marked: int
) -> None:
    tagger, page = TypeTagger(bundle), tmp_path / "page.html"
    results = [PhotoResult(photo, tagger.tag(photo, 120), None, "")]
    write_report(page, results, tagger.bundle, threshold)
    assert len(re.findall(r'<li class="p\d+ on">', page.read_text("utf-8"))) == marked
    assert f"--threshold: {threshold:.1%}" in page.read_text("utf-8")


def test_a_picture_is_the_middle_of_its_photo(write: Callable[..., Page], tmp_path: Path) -> None:
    image = Image.new("RGB", (900, 300), "red")
    image.paste("blue", (300, 0, 600, 300))
    image.save(tmp_path / "wide.png")
    (picture,) = write(PhotoResult(tmp_path / "wide.png", prediction(), None)).pictures
    for corner in ((3, 3), (188, 3), (3, 188), (188, 188)):
        red, _, blue = picture.convert("RGB").getpixel(corner)
        assert blue > 200 > 60 > red


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_does_nothing(write: Callable[..., Page], name: str) -> None:
    def page_of(shown: str) -> Page:
        error = PhotoError(shown, PhotoFault.NOT_AN_IMAGE, shown)
        return write(PhotoResult(Path(shown, shown), None, error, f"Inside,{shown}"))

    plain, page = page_of("plain.jpg"), page_of(name)
    assert page.tags == plain.tags
    assert {n for n, _ in page.attributes} == {n for n, _ in plain.attributes}
    shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    assert " ".join(Path(shown).name.split()) in page.text


def test_the_page_loads_nothing(write: Callable[..., Page], photo: Path) -> None:
    page = write(PhotoResult(photo, prediction(), None), failure("text.jpg"))
    (policy,) = (value for _, value in page.attributes if value.startswith("default-src"))
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == "'none'"
    assert rules.pop("img-src") == "data:"
    assert rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    for kind in ("style", "script"):
        (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page.source, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(f"{kind}-src") == f"'sha256-{digest}'"
        assert not {word for word in ("url(", "innerHTML") if word in text}
    assert not rules
    assert not re.search(r"(https?|ftp|wss?):", page.source)
    assert page.pictures
    assert not {"link", "iframe", "object", "base"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not [name for name in names if name.startswith("on") or name in ("style", "href")]


def test_cards_say_what_filters_ask(write: Callable[..., Page], photo: Path) -> None:
    drone = prediction(("From Drone", "Geograph"))
    page = write(
        PhotoResult(photo, prediction(low_confidence=True), None),
        PhotoResult(photo, drone, None, "Geograph, From Above", truncated=True),
        PhotoResult(photo, drone, None, "Geograph"),
        PhotoResult(photo, None, PhotoError("x", PhotoFault.DAMAGED, ""), "Geograph"),
    )
    flags = ("data-low", "data-truncated", "data-failed")
    stated = [[flag for flag in flags if flag in card] for card in page.cards]
    assert stated == [["data-low"], ["data-truncated"], [], ["data-failed"]]
    assert [card.get("data-moderators") for card in page.cards] == [None, "agree", "differ", None]
    for words in ("low confidence", "file is cut off", "agree", "differ", "damaged"):
        assert words in page.text


POSITIONS = DistanceBasis.POSITIONS
COARSE = Distance(None, DistanceBasis.TOO_COARSE, Crossing.TOO_COARSE, DistanceSource.STATED)
SQUARE = "into another 1 km square"
TOO_COARSE = "reference too coarse, labels file, too coarse to tell the square"


@pytest.mark.parametrize(
    ("distance", "shown"),
    [
        (Distance.unknown(), "unknown"),
        (Distance.from_metres(1234.4), "1,234 m (given in metres)"),
        (
            Distance(80, POSITIONS, Crossing.CROSSED, DistanceSource.EXIF),
            f"80 m (between positions, EXIF, {SQUARE})",
        ),
        (COARSE, f"unknown ({TOO_COARSE})"),
    ],
)
def test_a_distance_and_what_it_rests_on(
    write: Callable[..., Page], photo: Path, distance: Distance, shown: str
) -> None:
    page = write(PhotoResult(photo, prediction(distance=distance), None))
    assert f"Distance {shown} {photo.name}" in page.text


def test_every_source_and_crossing_has_words(write: Callable[..., Page]) -> None:
    both = list(product(Crossing, DistanceSource))
    distances = [Distance(5, POSITIONS, crossing, source) for crossing, source in both]
    gone = Path("gone.jpg")
    page = write(*(PhotoResult(gone, prediction(distance=one), None) for one in distances))
    assert len(page.cards) == len(distances)
    assert "too close to a grid line" in page.text


def test_a_photo_that_has_gone(write: Callable[..., Page], photo: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not a photo any more")
    paths = [photo, tmp_path / "gone.jpg", tmp_path / "text.jpg", tmp_path, photo]
    page = write(*(PhotoResult(path, prediction(), None) for path in paths))
    assert (len(page.cards), len(page.pictures)) == (5, 2)
    assert page.text.count("can no longer be opened") == 3


def test_results_that_break_off(head_bundle: Path, photo: Path, tmp_path: Path) -> None:
    def broken() -> Iterator[PhotoResult]:
        yield PhotoResult(photo, prediction(), None)
        raise KeyboardInterrupt

    (tmp_path / "page.html").write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path / "page.html", broken(), Bundle.open(head_bundle))
    assert (tmp_path / "page.html").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_result_is_a_prediction_or_an_error(photo: Path) -> None:
    with pytest.raises(ValueError, match="either a prediction or an error"):
        PhotoResult(photo, None, None)


def test_a_page_of_no_photos_is_a_page(write: Callable[..., Page]) -> None:
    assert "0 photos on this page" in write().text
