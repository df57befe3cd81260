import base64
import csv
import io
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from PIL import Image
from placed_photos import placed_a_minute_apart
from playwright.sync_api import Browser, Locator, Page, Route, expect

from geograph_types import TypeTagger
from geograph_types.distance.distance import BUCKET_COUNT, UNKNOWN_BUCKET
from geograph_types.tags import final_tags
from geograph_types.taxonomy import CLASSES

SIZES: Final = (1280, 360)
SCHEMES: Final = ("light", "dark")
TOKEN: Final = "a token of the tests"
HOSTILE: Final = '=cmd|" /C calc"!A1 <img src=x onerror=hacked()>.jpg'
LOADS: Final = """source => new Promise(done => {
    const image = new Image();
    image.onload = () => done(true);
    image.onerror = () => done(false);
    image.src = source;
})"""
METRES: Final = (*(0.0, *(2.0**power for power in range(21))), None)
"""The least distance of each bucket."""


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Any], tiny_bundle: Path) -> str:
    return f"{start_service(tiny_bundle).url}/"


class Problems(list[str]):
    """What the browser complains of, and hosts that a page asks other than its own."""

    def watch(self, page: Page, service: str) -> None:
        page.on("console", lambda message: self.append(message.text))
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("request", lambda request: self.note(request.url, service))

    def note(self, url: str, service: str) -> None:
        if not url.startswith((service, f"blob:{service}")):
            self.append(url)


@contextmanager
def opened(
    browser: Browser, service: str, width: int = 1280, scheme: str = "light"
) -> Iterator[tuple[Page, Problems]]:
    size = {"width": width, "height": 900}
    with browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce") as made:
        page, problems = made.new_page(), Problems()
        problems.watch(page, service)
        page.goto(service)
        yield page, problems


@pytest.fixture
def page(browser: Browser, service: str) -> Iterator[Page]:
    with opened(browser, service) as (page, problems):
        yield page
        assert not problems


@pytest.fixture(scope="module")
def photos(scenes: Path) -> list[Path]:
    return sorted(scenes.glob("*.jpg"))[:3]


@pytest.fixture(scope="module")
def tagger(tiny_bundle: Path) -> TypeTagger:
    return TypeTagger(tiny_bundle, device="cpu")


def drop(page: Page, photos: Sequence[tuple[str, bytes]]) -> None:
    script = """files => {
        const held = new DataTransfer();
        for (const [name, data] of files) {
            const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
            held.items.add(new File([bytes], name));
        }
        return held;
    }"""
    encoded = [(name, base64.b64encode(data).decode()) for name, data in photos]
    held = page.evaluate_handle(script, encoded)
    page.dispatch_event("#drop", "dragover", {"dataTransfer": held})
    page.dispatch_event("#drop", "drop", {"dataTransfer": held})


def read(paths: Sequence[Path]) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in paths]


def tag(page: Page, paths: Sequence[Path]) -> None:
    drop(page, read(paths))
    wait_for(page, f"{len(paths)} of {len(paths)} photo{'s' * (len(paths) > 1)} tagged.")


def wait_for(page: Page, status: str) -> None:
    expect(page.locator("#shown")).to_have_text(status, timeout=30_000)


def card_of(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name)


def shown(card: Locator) -> dict[str, str]:
    names = card.locator("li .class").all_text_contents()
    return dict(zip(names, card.locator("li b").all_text_contents(), strict=True))


def at_all_distances(tagger: TypeTagger, path: Path) -> NDArray[np.float32]:
    embedding = tagger.embed([path])
    return tagger.score(np.repeat(embedding, BUCKET_COUNT, axis=0), METRES)


def assert_shows(
    page: Page, tagger: TypeTagger, path: Path, bucket: int = UNKNOWN_BUCKET, name: str = ""
) -> None:
    """The photo's card has its values, as numbers, as tags, and as lengths of its bars."""
    card = card_of(page, name or path.name)
    expected = at_all_distances(tagger, path)[bucket].tolist()
    assert list(shown(card)) == list(CLASSES)
    numbers = [float(text) for text in shown(card).values()]
    assert numbers == pytest.approx(expected, abs=0.0051)
    tags, _, low = final_tags(expected, tagger.bundle.manifest.thresholds.known, None)
    expect(card.locator(".tags")).to_have_text(", ".join(tags))
    assert card.locator(".low").is_visible() == low
    for name, value, bar in zip(CLASSES, expected, card.locator("li").all(), strict=True):
        width = "li => li.querySelector('.value').offsetWidth / li.offsetWidth"
        assert bar.evaluate(width) == pytest.approx(value, abs=0.01)
        tag = "Cross Grid" if name == "Cross Far" else name
        assert ("on" in (bar.get_attribute("class") or "")) == (tag in tags and not low)


def table(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    text = download.value.path().read_bytes().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_dropped_photos_get_cards(page: Page, tagger: TypeTagger, photos: list[Path]) -> None:
    tag(page, photos)
    expect(page.get_by_role("article").locator("img")).to_have_count(3)
    for path in photos:
        found = card_of(page, path.name)
        assert found.locator("img").evaluate("image => image.decode().then(() => image.width)") > 0
        assert_shows(page, tagger, path)
    expect(page.locator("#model")).to_have_text(f"Tagged by {tagger.bundle.label}.")
    expect(page.locator("#stand-in")).to_be_visible()


def test_each_distance_as_in_python(page: Page, tagger: TypeTagger, photos: list[Path]) -> None:
    tag(page, photos)
    found = card_of(page, photos[1].name)
    found.get_by_role("slider").focus()
    for bucket, metres in enumerate(METRES[:-1]):
        page.keyboard.press("ArrowRight")
        assert_shows(page, tagger, photos[1], bucket)
        assert found.get_by_label("Metres").input_value() == f"{metres:.0f}"
        spoken = found.get_by_role("slider").get_attribute("aria-valuetext") or ""
        assert spoken.startswith(f"{metres:,.0f} to" if metres else "below 1 m")
        tags = found.locator(".tags").text_content() or ""
        expect(page.locator("#said")).to_have_text(tags)
    page.keyboard.press("Home")
    assert_shows(page, tagger, photos[1])
    for other in (photos[0], photos[2]):
        assert_shows(page, tagger, other)


def test_how_far_distance_moves_it(page: Page, tagger: TypeTagger, photos: list[Path]) -> None:
    tag(page, photos[:1])
    values = at_all_distances(tagger, photos[0])
    found = card_of(page, photos[0].name)
    ranges = [text.split(" to ") for text in found.locator(".range").all_text_contents()]
    expected = np.stack([values.min(axis=0), values.max(axis=0)], axis=1)
    assert np.array(ranges, float) == pytest.approx(expected, abs=0.0051)
    most = CLASSES[int(np.ptp(values, axis=0).argmax())]
    expect(found.locator(".swing")).to_contain_text(f"moves {most} most")


@pytest.mark.parametrize(
    ("typed", "bucket"),
    [("0.5", 0), ("1", 1), ("63.9", 6), ("64", 7), ("2097151", 21), ("", UNKNOWN_BUCKET)],
)
def test_metres_can_be_typed(
    page: Page, tagger: TypeTagger, photos: list[Path], typed: str, bucket: int
) -> None:
    tag(page, photos[:1])
    found = card_of(page, photos[0].name)
    found.get_by_label("Metres").fill("5")
    found.get_by_label("Metres").fill(typed)
    assert_shows(page, tagger, photos[0], bucket)
    for wrong in ("-3", "1e9"):
        found.get_by_label("Metres").fill(wrong)
        assert_shows(page, tagger, photos[0], bucket)
    page.keyboard.press("Tab")
    assert found.get_by_label("Metres").input_value() == typed


def test_one_distance_for_all(page: Page, tagger: TypeTagger, photos: list[Path]) -> None:
    tag(page, photos)
    page.get_by_label("Same for all photos").fill("12")
    for path in photos:
        assert_shows(page, tagger, path, 11)
    drop(page, [("late.jpg", photos[0].read_bytes())])
    wait_for(page, "4 of 4 photos tagged.")
    assert_shows(page, tagger, photos[0], 11, "late.jpg")
    shown_for_all = page.locator("#all output")
    expect(shown_for_all).to_have_text("1,024 to 2,048 m")
    card_of(page, photos[1].name).get_by_label("Metres").fill("5")
    expect(shown_for_all).to_have_text("off")
    assert_shows(page, tagger, photos[0], 11)
    page.get_by_label("Same for all photos").fill("0")
    expect(shown_for_all).to_have_text("unknown")
    page.get_by_label("Same for all photos").fill("-1")
    for path in photos:
        assert_shows(page, tagger, path)


def test_a_card_says_what_its_distance_rests_on(page: Page, photos: list[Path]) -> None:
    own = placed_a_minute_apart(Image.open(photos[0]))
    drop(page, [("placed.jpg", own), *read(photos[1:2])])
    wait_for(page, "2 of 2 photos tagged.")
    placed, other = card_of(page, "placed.jpg"), card_of(page, photos[1].name)
    expect(placed.locator(".basis")).to_contain_text("between the positions of camera and subject")
    expect(other.locator(".basis")).to_contain_text("does not tell its distance")
    placed.get_by_label("Metres").fill("5")
    expect(placed.locator(".basis")).to_have_text("A distance of your choice.")


def test_the_table(page: Page, tagger: TypeTagger, photos: list[Path]) -> None:
    named = [*read(photos[:2]), (HOSTILE, photos[2].read_bytes())]
    drop(page, named)
    wait_for(page, "3 of 3 photos tagged.")
    card_of(page, photos[1].name).get_by_label("Metres").fill("100.5")
    rows = table(page)
    assert [row["photo"] for row in rows] == [photos[0].name, photos[1].name, f"'{HOSTILE}"]
    for row, path, bucket in zip(rows, photos, (UNKNOWN_BUCKET, 7, UNKNOWN_BUCKET), strict=True):
        values = at_all_distances(tagger, path)[bucket].tolist()
        columns = [f"p_{name.lower().replace(' ', '_')}" for name in CLASSES]
        assert [float(row[column]) for column in columns] == pytest.approx(values, abs=1e-5)
        tags, _, low = final_tags(values, tagger.bundle.manifest.thresholds.known, None)
        assert (row["tags"], row["low_confidence"]) == (",".join(tags), str(low).lower())
        assert row["distance_bucket"] == str(bucket)
        assert (row["status"], row["model"]) == ("ok", tagger.bundle.label)
        assert row["cross_grid"] == "unknown"
    columns = ("distance_metres", "distance_basis", "distance_source")
    distances = [[row[column] for column in columns] for row in rows]
    unknown = ["", "unknown", "unknown"]
    assert distances == [unknown, ["100.5", "metres", "given"], unknown]


def test_a_bad_photo_says_why_and_costs_itself_only(
    browser: Browser, service: str, tagger: TypeTagger, photos: list[Path]
) -> None:
    with opened(browser, service) as (page, problems):
        drop(page, [*read(photos[:1]), ("bad.jpg", b"no photo at all"), *read(photos[1:])])
        wait_for(page, "3 of 4 photos tagged, 1 failed.")
        bad = card_of(page, "bad.jpg")
        expect(bad.locator(".state")).to_contain_text(re.compile(r"Failed: \w+.*"))
        expect(bad.get_by_role("button", name="Try again")).to_be_hidden()
        for path in photos:
            assert_shows(page, tagger, path)
        rows = table(page)
        reason = (bad.locator(".state").text_content() or "").removeprefix("Failed: ")
        assert [row["status"] for row in rows] == ["ok", "failed", "ok", "ok"]
        assert rows[1]["detail"] == reason
        bad.get_by_role("button", name="Remove").click()
        wait_for(page, "3 of 3 photos tagged.")
        assert all("Failed to load resource" in problem for problem in problems)


def test_a_photo_that_is_too_large_is_not_sent(page: Page) -> None:
    drop(page, [("large.jpg", bytes(20 * 2**20 + 1))])
    wait_for(page, "0 of 1 photo tagged, 1 failed.")
    expect(card_of(page, "large.jpg").locator(".state")).to_contain_text("larger than 20 MiB")


def test_busy_waits(browser: Browser, service: str, tagger: TypeTagger, photos: list[Path]) -> None:
    asked: list[float] = []

    def refuse_once(route: Route) -> None:
        asked.append(time.monotonic())
        if len(asked) == 1:
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"detail": "full"})
        else:
            route.continue_()

    with opened(browser, service) as (page, _):
        page.route("**/tag?*", refuse_once)
        drop(page, read(photos[:1]))
        expect(card_of(page, photos[0].name).locator(".state")).to_contain_text("busy")
        wait_for(page, "1 of 1 photo tagged.")
        assert len(asked) == 2
        assert asked[1] - asked[0] >= 1


def test_a_gone_service_is_tried_again(browser: Browser, service: str, photos: list[Path]) -> None:
    with opened(browser, service) as (page, _):
        page.route("**/tag?*", lambda route: route.abort())
        drop(page, read(photos[:1]))
        wait_for(page, "0 of 1 photo tagged, 1 failed.")
        found = card_of(page, photos[0].name)
        expect(found.locator(".state")).to_have_text("Failed: the service did not answer")
        page.unroute("**/tag?*")
        found.get_by_role("button", name="Try again").click()
        expect(found.get_by_role("button", name="Remove")).to_be_focused()
        wait_for(page, "1 of 1 photo tagged.")


def test_a_token_is_asked_for_and_used(
    browser: Browser,
    start_service: Callable[..., Any],
    tiny_bundle: Path,
    tmp_path: Path,
    photos: list[Path],
) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    address = f"{start_service(tiny_bundle, '--token-file', str(file)).url}/"
    with opened(browser, address) as (page, _):
        assert not page.get_by_label("asks for its token").is_visible()
        drop(page, read(photos))
        wait_for(page, "0 of 3 photos tagged, 3 failed.")
        for token in ("a wrong one", TOKEN):
            page.get_by_label("asks for its token").fill(token)
            page.keyboard.press("Enter")
            if token != TOKEN:
                wait_for(page, "0 of 3 photos tagged, 3 failed.")
                expect(page.get_by_label("asks for its token")).to_be_visible()
        wait_for(page, "3 of 3 photos tagged.")
        assert not page.get_by_label("asks for its token").is_visible()


def test_removed_photos_leave_nothing(browser: Browser, service: str, photos: list[Path]) -> None:
    with opened(browser, service) as (page, _):
        tag(page, photos)
        expect(page.get_by_role("article").locator("img")).to_have_count(3)
        sources = page.eval_on_selector_all("article img", "images => images.map(one => one.src)")
        assert [page.evaluate(LOADS, source) for source in sources] == [True] * 3
        page.get_by_role("button", name="Remove all").click()
        expect(page.get_by_role("article")).to_have_count(0)
        assert [page.evaluate(LOADS, source) for source in sources] == [False] * 3


def test_the_keyboard_reaches_every_control(page: Page, photos: list[Path]) -> None:
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
    chooser.value.set_files(photos[:1])
    wait_for(page, "1 of 1 photo tagged.")
    labels = []
    for _ in range(7):
        page.keyboard.press("Tab")
        script = """() => {
            const { labels, textContent } = document.activeElement;
            return (labels?.[0]?.textContent || textContent).replace(/\\s+/g, " ").trim();
        }"""
        labels.append(page.evaluate(script))
    of_all = ["Same for all photos", "Only photos with certain tags", "Download CSV", "Remove all"]
    assert labels == [*of_all, "Distance", "Metres", "Remove"]
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_have_count(0)
    expect(page.locator("#files")).to_be_focused()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", SIZES)
def test_the_page_fits_its_window_and_bars_nobody(
    browser: Browser, service: str, photos: list[Path], tmp_path: Path, width: int, scheme: str
) -> None:
    with opened(browser, service, width, scheme) as (page, problems):
        states = {
            "empty": lambda: None,
            "photos": lambda: drop(page, [*read(photos), ("bad.jpg", b"bad")]),
            "moved": lambda: page.get_by_label("Same for all photos").fill("8"),
        }
        for name, go in states.items():
            go()
            wait_for(page, "" if name == "empty" else "3 of 4 photos tagged, 1 failed.")
            expect(page.locator("article img")).to_have_count(0 if name == "empty" else 3)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
            violations = Axe().run(page).response["violations"]
            grave = [found for found in violations if found["impact"] in ("serious", "critical")]
            assert not grave
        assert all("Failed to load resource" in problem for problem in problems)


def test_without_scripts_the_page_says_so(browser: Browser, service: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(service)
        expect(page.get_by_text("This page needs JavaScript")).to_be_visible()
