"""The page at `/`: all that it loads is there, and it needs no other host."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from geograph_types.serve.assets import ASSETS

IMPORT = re.compile(r'^import .* from "([^"]+)";$', re.MULTILINE)
KINDS = {".css": "text/css", "": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Outline(HTMLParser):
    """What a page loads, and what its policy would not allow it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "link", "img"):
            self.loaded.append(given.get("src") or given.get("href") or "")
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.ids.add(given.get("id") or "")


def crawl(url: str) -> dict[str, requests.Response]:
    """Fetch a page and all that it loads, as a browser would."""
    found: dict[str, requests.Response] = {}
    wanted = [url]
    while wanted:
        address = wanted.pop()
        if address in found:
            continue
        answer = found[address] = requests.get(address)
        kind = answer.headers["Content-Type"]
        loads = Outline(answer.text).loaded if "html" in kind else IMPORT.findall(answer.text)
        wanted += [urljoin(address, path) for path in loads]
    return found


def test_the_page_and_all_that_it_loads_are_answered_without_a_token(guarded: Any) -> None:
    answers = crawl(f"{guarded.url}/")
    assert {address.removeprefix(guarded.url) for address in answers} == ASSETS.keys()
    for address, answer in answers.items():
        assert answer.status_code == 200, address
        path = address.removeprefix(guarded.url)
        assert answer.headers["Content-Type"].startswith(KINDS[Path(path).suffix])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_nothing_comes_from_another_host_and_the_policy_allows_no_more(service: Any) -> None:
    answers = crawl(f"{service.url}/")
    for address, answer in answers.items():
        assert address.startswith(service.url)
        text = answer.text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"(https?:)?//[a-z]", text.replace("// ", "")), address
        policy = answer.headers["Content-Security-Policy"]
        rules = {name: words for name, *words in map(str.split, policy.split(";"))}
        assert rules["default-src"] == rules["frame-ancestors"] == ["'none'"]
        for kind in ("script-src", "style-src", "connect-src"):
            assert rules[kind] == ["'self'"]
        assert {"blob:", "'self'"} <= set(rules["img-src"]) <= {"blob:", "'self'", "data:"}
    assert Outline(answers[f"{service.url}/"].text).inline == []


def test_scripts_ask_for_elements_that_are_there(service: Any) -> None:
    answers = crawl(f"{service.url}/")
    scripts = "".join(answer.text for address, answer in answers.items() if address.endswith("js"))
    asked = set(re.findall(r'(?:field|getElementById)\("([a-z-]+)"\)', scripts))
    assert asked
    assert asked <= Outline(answers[f"{service.url}/"].text).ids
