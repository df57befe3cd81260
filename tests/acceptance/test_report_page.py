from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page

from geograph_types import Bundle
from geograph_types.photos.result import PhotoResult
from geograph_types.report.write import write_report

WIDE: Final = {"width": 1280, "height": 900}
NARROW: Final = {"width": 400, "height": 800}

Results = list[PhotoResult]
View = dict[str, str]


@pytest.fixture(scope="module")
def results(many_results: tuple[Bundle, Results]) -> Results:
    return many_results[1]


@pytest.fixture(scope="module")
def file(many_results: tuple[Bundle, Results], tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle, results = many_results
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_report(path, results, bundle)
    print(f"\n{len(results):,} photos in {path.stat().st_size / 1e6:.1f} MB")
    return path


@pytest.fixture(scope="module")
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """The page, opened once; each test sets the view that it needs."""
    with browser.new_context(viewport=WIDE) as context:
        opened = context.new_page()
        opened.goto(file.as_uri())
        yield opened


def value_of(result: PhotoResult, name: str) -> float:
    values = result.prediction.probabilities
    value = values["Cross Far" if name == "Cross Grid" else name] if name else max(values.values())
    return round(value, 2)


def expected(results: Results, view: View) -> Results:
    def fits(result: PhotoResult) -> bool:
        said, kind, name = result.prediction, view.get("class", ""), view.get("name", "")
        if name.lower() not in str(result.path).lower():
            return False
        if said is None:
            about = view.keys() & {"class", "from", "to", "moderators"}
            return not about and view.get("show", "failed") == "failed"
        lowest, highest = float(view.get("from", 0)), float(view.get("to", 1))
        flags = {"low": said.low_confidence, "truncated": result.truncated}
        asked = flags | {"problems": bool(result.problems), "failed": False}
        asked["sure"] = bool(said.certain)
        tags = said.certain if view.get("tagged") == "certainly" else said.tags
        drone = result.types.replace("From Above", "From Drone")
        same = "agree" if set(said.tags) == set(drone.split(",")) else "differ"
        wanted = {"no": [False], "either": [True, False]}.get(view.get("tagged", ""), [True])
        return (
            (not kind or (kind in tags) in wanted)
            and lowest <= value_of(result, kind) <= highest
            and asked.get(view.get("show", ""), True)
            and ("moderators" not in view or (result.types != "" and same == view["moderators"]))
        )

    return [result for result in results if fits(result)]


def shown(page: Page) -> list[str]:
    script = "cards => cards.map(card => card.querySelector('.name').textContent)"
    return page.eval_on_selector_all("article:not([hidden])", script)


def choose(page: Page, view: View) -> None:
    page.click("#clear")
    for name, value in view.items():
        if name in ("from", "to", "name"):
            page.fill(f"[name={name}]", value)
        else:
            page.select_option(f"[name={name}]", value)


VIEWS: Final[tuple[View, ...]] = (
    {},
    {"class": "Inside"},
    {"class": "Cross Grid", "from": "0.6"},
    {"class": "Geograph", "tagged": "no", "from": "0.3"},
    {"class": "Aerial", "tagged": "either", "from": "0.2", "to": "0.25"},
    {"class": "Inside", "tagged": "certainly"},
    {"show": "sure"},
    {"from": "0.95"},
    {"to": "0.4"},
    {"show": "low"},
    {"show": "truncated"},
    {"show": "problems"},
    {"show": "failed"},
    {"moderators": "agree"},
    {"moderators": "differ", "class": "Inside"},
    {"name": "walk 12"},
    {"name": "ÉTÉ_3"},
    {"name": "<img src=x"},
    {"from": "0.9", "to": "0.1"},
)


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_filter_shows_the_photos_that_it_names(page: Page, results: Results, view: View) -> None:
    choose(page, view)
    names = [result.path.name for result in expected(results, view)]
    assert shown(page) == names
    status = page.text_content("#shown") or ""
    assert status.startswith(f"{len(names):,} of {len(results):,} photos")
    assert status.endswith("none fits these filters") == (not names)
    if view != {"from": "0.9", "to": "0.1"}:
        assert names


@pytest.mark.parametrize("view", VIEWS[1:5], ids=str)
def test_an_address_keeps_its_view(browser: Browser, page: Page, file: Path, view: View) -> None:
    choose(page, view)
    page.wait_for_url(f"**#{urlencode(view)}")
    with browser.new_context(viewport=WIDE) as context:
        again = context.new_page()
        again.goto(page.url)
        assert shown(again) == shown(page)


def test_a_nonsense_address_shows_all(page: Page, file: Path, results: Results) -> None:
    page.goto(f"{file.as_uri()}#class=Nonsense&from=x&show=%ff&sort=constructor&__proto__=1")
    assert len(shown(page)) == len(results)


def order_by_value(results: Results, name: str, sign: int) -> list[str]:
    good = [result for result in results if result.prediction]
    ordered = sorted(good, key=lambda result: sign * value_of(result, name))
    return [result.path.name for result in (*ordered, *(r for r in results if r.error))]


@pytest.mark.parametrize("name", ["", "Close Look"])
@pytest.mark.parametrize(("order", "sign"), [("lowest", 1), ("highest", -1)])
def test_confidence_sorts(page: Page, results: Results, name: str, order: str, sign: int) -> None:
    view = {"sort": order} | ({"class": name, "tagged": "either"} if name else {})
    choose(page, view)
    kept = expected(results, {key: value for key, value in view.items() if key != "sort"})
    assert shown(page) == order_by_value(kept, name, sign)
    choose(page, {})
    assert shown(page) == [result.path.name for result in results]


def test_a_filter_leads_back_to_the_first_photo(page: Page) -> None:
    choose(page, {})
    page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    page.select_option("[name=class]", "Inside")
    first, form = (
        page.evaluate(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
        for selector in ("article:not([hidden])", "#filters")
    )
    assert form["bottom"] <= first["top"] <= WIDE["height"]


def test_sorting_by_name_counts_numbers(page: Page, results: Results) -> None:
    choose(page, {"sort": "name", "name": "IMG_"})
    numbers = [int(name.removeprefix("IMG_").removesuffix(".jpg")) for name in shown(page)]
    assert len(numbers) == sum(result.path.name.startswith("IMG_") for result in results)
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "400"])
def test_the_page_loads_by_itself_and_fits_its_window(
    browser: Browser, file: Path, tmp_path: Path, size: dict[str, int], scheme: str
) -> None:
    with browser.new_context(viewport=size, color_scheme=scheme) as context:
        page = context.new_page()
        problems, requests = list[str](), list[str]()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        assert not problems
        assert {url for url in requests if not url.startswith("data:")} == {file.as_uri()}
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.screenshot(path=tmp_path / "page.png")
        print(f"\nscreenshot in {tmp_path}")


def test_without_scripts_the_page_can_be_read(browser: Browser, file: Path) -> None:
    with browser.new_context(viewport=WIDE, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(file.as_uri())
        assert not page.is_visible("#filters")
        assert page.is_visible("text=Filters need JavaScript")
        assert page.is_visible("article >> nth=0")


def test_the_keyboard_reaches_every_control(page: Page) -> None:
    choose(page, {"class": "Inside"})
    page.focus("[name=class]")
    reached = []
    for _ in range(9):
        script = "[document.activeElement.name, document.activeElement.labels.length]"
        reached.append(page.evaluate(script))
        page.keyboard.press("Tab")
    names = ["class", "tagged", "from", "to", "show", "moderators", "name", "sort", ""]
    assert reached == [[name, 1 if name else 0] for name in names]
