"""The page of `review` over 5,000 photos in Chromium: keys, reload, CSV, widths, accessibility."""

import csv
import os
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from geograph_types import Bundle
from geograph_types.cli.main import main
from geograph_types.photos.catalog import Encoding, PendingPhoto, open_catalog
from geograph_types.photos.embed import EmbeddedPhoto
from geograph_types.photos.result import PhotoResult
from geograph_types.photos.stamp import FileStamp
from geograph_types_trainer.review.verdicts import Verdicts

WIDTHS: Final = (400, 1280)


@pytest.fixture(scope="module")
def queue(
    many_results: tuple[Bundle, list[PhotoResult]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A page of questions about a catalogue of 5,000 photos."""
    bundle, results = many_results
    folder = tmp_path_factory.mktemp("queue")
    vectors = np.random.default_rng(2).normal(0, 0.45, (len(results), 512)).astype(np.float32)
    pairs = [
        (PendingPhoto(r.path, FileStamp.of(r.path)), EmbeddedPhoto(r.path, vector, r.error))
        for r, vector in zip(results, vectors, strict=True)
    ]
    with open_catalog(folder / "c.catalog") as catalog:
        catalog.store_photos(pairs, Encoding("e" * 64, False))
        catalog.store_results(results, bundle)
    command = ["review", str(folder / "c.catalog"), "--bundle", str(bundle.root)]
    outputs = ["--out", str(folder / "queue.csv"), "--page", str(folder / "queue.html")]
    assert main([*command, *outputs, "--budget", "5000"]) == 0
    return folder / "queue.html"


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def saved(page: Page, file: Path) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(file)
    return rows_of(file)


def test_answers_by_key_outlast_a_reload_and_are_saved(
    browser: Browser, queue: Path, tmp_path: Path
) -> None:
    questions = rows_of(queue.with_suffix(".csv"))
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.goto(queue.as_uri())
        assert page.inner_text("h2") == f"Does this look like {questions[0]['tag']}?"
        assert page.locator("img").evaluate(
            "image => image.decode().then(() => image.naturalWidth)"
        )
        for key in "ynsY":
            page.keyboard.press(key)
        page.keyboard.press("ArrowLeft")
        assert page.inner_text("#answer") == "You said yes."
        page.reload()
        assert page.inner_text("#shown") == f"Question 5 of {len(questions)}, 4 answered."
        found = saved(page, tmp_path / "verdicts.csv")
    assert [row["verdict"] for row in found] == ["yes", "no", "skip", "yes"]
    for row, question in zip(found, questions[:4], strict=True):
        assert (row["gridimage_id"], row["tag"]) == (question["gridimage_id"], question["tag"])
    assert len(Verdicts.read(tmp_path / "verdicts.csv").said) == 3


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_and_axe_finds_nothing(browser: Browser, queue: Path, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page = context.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.goto(queue.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        if folder := os.environ.get("GEOGRAPH_TYPES_SHOTS"):
            page.screenshot(path=f"{folder}/review-{width}.png")
        assert problems == []
