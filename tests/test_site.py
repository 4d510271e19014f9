"""The built site in a browser: no errors, every picture drawn, and the search finds an activation.

`make docs` builds the site into `site/`; the browser is this machine's Chromium, or what ``CHROMIUM`` names.
"""

import functools
import http.server
import os
import re
import shutil
import threading
from pathlib import Path

import pytest

SITE = Path(__file__).parents[1] / "site"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no Chromium is installed", allow_module_level=True)
if not (SITE / "index.html").is_file():
    pytest.skip("the site is not built; `make docs` builds it", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright, which drives it, is not installed")

PAGES = ["", "gallery/", "activations/gelu/", "activations/softmax/", "activations/swiglu/"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep requests out of the tests' output."""


@pytest.fixture(scope="module")
def address():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """A page that collects its errors and asks nobody but the site."""
    page = browser.new_page()
    page.problems = []
    page.on("console", lambda m: page.problems.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("response", lambda r: page.problems.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.on("request", lambda r: None if r.url.startswith((address, "data:")) else page.problems.append(r.url))
    yield page
    page.close()


DRAWN = (
    "pictures => pictures.filter(p => p.checkVisibility()).map(p => [p.src, p.complete, p.naturalWidth, p.width])"
)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.strip("/") or "home")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_whole(page, address, path, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(address + path, wait_until="networkidle")
    assert page.locator("h1").count() == 1
    pictures = page.locator("article img").evaluate_all(DRAWN)
    assert len(pictures) >= (70 if path == "gallery/" else 1)
    assert [p for p in pictures if not p[0].endswith(f"#only-{scheme}")] == [], "drawn for this palette"
    assert [p for p in pictures if not (p[1] and p[2] > 50 and p[3] > 50)] == []
    if path == "activations/gelu/":
        assert page.locator("math").first.bounding_box()["width"] > 50, "the formula is typeset"
    assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_axes_and_text_stand_out_from_the_page(page, address, scheme):
    """By the contrast that WCAG 2.1 asks of text, 4.5; before and after the reader changes the palette."""
    page.emulate_media(color_scheme=scheme)
    page.goto(address + "activations/gelu/", wait_until="networkidle")
    first = contrasts(page)
    page.locator("form[data-md-component=palette] label:not([hidden])").click()
    second = contrasts(page)
    assert len(first) == len(second) >= 4, "ink and three curves"
    assert first.keys().isdisjoint(second)
    assert {colour: ratio for colour, ratio in (first | second).items() if ratio < 4.5} == {}


def contrasts(page):
    """Of each colour in the picture that is seen, with the background of the page."""
    (picture,) = page.locator("article img").evaluate_all(DRAWN)
    background = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    around = luminance([int(v) for v in re.findall(r"\d+", background)[:3]])
    found = {}
    for colour in set(re.findall(r"(?:stroke|fill): (#[0-9a-f]{6})", page.request.get(picture[0]).text())):
        own = luminance(bytes.fromhex(colour[1:]))
        found[colour] = (max(own, around) + 0.05) / (min(own, around) + 0.05)
    return found


def luminance(colour):
    linear = [v / 255 / 12.92 if v / 255 <= 0.04045 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_search(page, address):
    page.goto(address, wait_until="networkidle")
    page.keyboard.press("/")
    page.keyboard.type("mish", delay=20)
    found = page.locator(".md-search-result__item a").filter(has=page.locator("h1", has_text="mish"))
    found.first.wait_for(timeout=20_000)
    assert "activations/mish/" in found.first.get_attribute("href")
    assert page.problems == []
