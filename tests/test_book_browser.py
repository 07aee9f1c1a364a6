"""Every page of the built book, opened in headless Chromium with the network cut, in light and in dark.

The book is the one in ``book/_build/html`` (``make book``), or the folder that HANDLIB_HTML names. Pictures of the
pages go to the folder HANDLIB_SCREENSHOTS, if that is set. With HANDLIB_REQUIRE_BROWSER=1 a missing Chromium or book is
a failure.
"""

import os
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from browser import DRAWN, launched_chromium, unless_required

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HTML = Path(os.environ.get("HANDLIB_HTML") or Path(__file__).parents[1] / "book" / "_build" / "html")
SCREENSHOTS = os.environ.get("HANDLIB_SCREENSHOTS")
NOT_PAGES = {"genindex", "search"}


def book_pages() -> list[str]:
    """Addresses of the built pages below the book's folder."""
    found = (path.relative_to(HTML) for path in sorted(HTML.glob("**/*.html")))
    return [page.as_posix() for page in found if page.parts[0] != "_static" and page.stem not in NOT_PAGES]


@dataclass
class Visit:
    """A page in the browser, and what went wrong on it."""

    page: object
    base: str
    trouble: list[str] = field(default_factory=list)

    def go(self, address: str) -> None:
        """Open a page of the book and wait until its scripts and its maths are done."""
        self.trouble.clear()
        self.page.goto(f"{self.base}/{address}")
        self.page.wait_for_load_state("load")
        self.page.evaluate("window.MathJax && MathJax.startup && MathJax.startup.promise")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server():
    """Address at which the built book is served on this machine."""
    if not (HTML / "index.html").is_file():
        unless_required(f"no built book in {HTML}: run `make book`")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(HTML))) as httpd:
        Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.fixture(scope="module")
def chromium(server):
    """A headless Chromium; skipped with a reason where there is none."""
    with launched_chromium() as browser:
        yield browser


@pytest.fixture(params=["light", "dark"])
def visit(request, chromium, server):
    """A fresh page in the light or the dark theme whose every request beyond the book is refused and remembered."""
    context = chromium.new_context(color_scheme=request.param, viewport={"width": 1400, "height": 1000})
    visit = Visit(context.new_page(), server)

    def only_the_book(route):
        if route.request.url.startswith((server, "data:", "blob:")):
            route.continue_()
        else:
            visit.trouble.append(f"wants the network: {route.request.url}")
            route.abort()

    context.route("**/*", only_the_book)
    visit.page.on("pageerror", lambda error: visit.trouble.append(f"script error: {error}"))
    visit.page.on("requestfailed", lambda request: visit.trouble.append(f"not loaded: {request.url}"))
    visit.page.on(
        "console", lambda message: message.type == "error" and visit.trouble.append(f"console: {message.text}")
    )
    visit.page.on(
        "response", lambda answer: answer.status >= 400 and visit.trouble.append(f"{answer.status}: {answer.url}")
    )
    visit.theme = request.param
    yield visit
    context.close()


@pytest.mark.parametrize("address", book_pages() or ["index.html"])
def test_a_page_shows_its_maths_and_figures_and_reports_no_error(visit, address):
    visit.go(address)
    page = visit.page
    assert page.evaluate("document.documentElement.dataset.theme") == visit.theme
    maths = page.locator(".math").count()
    typeset = page.evaluate("document.querySelectorAll('.math mjx-container').length")
    assert typeset >= maths, f"{maths} formulas, {typeset} typeset"
    assert page.locator("mjx-merror, [data-mml-node=merror]").count() == 0
    without_alt = page.evaluate(
        "[...document.querySelectorAll('article img')].filter(i => !i.alt.trim()).map(i => i.src.slice(0, 80))"
    )
    assert without_alt == []
    for figure in page.query_selector_all("figure[data-hl-figure]"):
        name = figure.get_attribute("id") or figure.get_attribute("class")
        assert figure.evaluate(DRAWN) == "", f"{address}, figure {name}"
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 1, f"the page is {wide} px too wide"
    if SCREENSHOTS:
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        page.evaluate("scrollTo(0, 0)")
        height = page.evaluate("Math.min(document.documentElement.scrollHeight, 12000)")
        page.screenshot(
            path=f"{SCREENSHOTS}/{address.replace('/', '_')}.{visit.theme}.png",
            full_page=True,
            clip={"x": 0, "y": 0, "width": 1400, "height": height},
        )
    assert visit.trouble == []


def test_a_figure_takes_the_colours_of_the_theme_when_it_is_switched(visit):
    address = next((page for page in book_pages() if 'data-hl-figure="plotly"' in (HTML / page).read_text()), None)
    if address is None:
        pytest.skip("no page of the built book has a plotly figure")
    visit.go(address)
    figure = visit.page.locator('figure[data-hl-figure="plotly"]').first
    assert figure.evaluate(DRAWN) == ""
    other = "dark" if visit.theme == "light" else "light"
    visit.page.evaluate(f"document.documentElement.dataset.theme = '{other}'")
    visit.page.wait_for_function("(theme) => document.querySelector('.hl-drawn').dataset.hlTheme === theme", arg=other)
    ink = figure.evaluate("(figure) => figure.querySelector('.hl-live').layout.font.color")
    assert ink == {"light": "#1f2933", "dark": "#e4e7eb"}[other]
    assert visit.trouble == []


def test_search_finds_a_word_without_a_network(visit):
    visit.go("search.html?q=hand")
    visit.page.wait_for_selector("ul.search li a", timeout=15000)
    assert visit.page.locator("ul.search li").count() >= 1
    assert visit.trouble == []


def test_the_book_works_from_a_folder_without_a_server(chromium):
    context = chromium.new_context(offline=True)
    page = context.new_page()
    trouble = []
    page.on("console", lambda message: message.type == "error" and trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(f"{HTML.resolve().as_uri()}/search.html?q=hand")
    page.wait_for_selector("ul.search li a", timeout=15000)
    address = next((p for p in book_pages() if "data-hl-figure=" in (HTML / p).read_text()), "index.html")
    page.goto(f"{HTML.resolve().as_uri()}/{address}")
    for figure in page.query_selector_all("figure[data-hl-figure]"):
        assert figure.evaluate(DRAWN) == ""
    context.close()
    assert trouble == []


def test_a_printed_page_holds_pictures_instead_of_live_figures(visit):
    address = next((page for page in book_pages() if 'data-hl-figure="plotly"' in (HTML / page).read_text()), None)
    if address is None:
        pytest.skip("no page of the built book has a plotly figure")
    visit.go(address)
    visit.page.locator('figure[data-hl-figure="plotly"]').first.evaluate(DRAWN)
    visit.page.emulate_media(media="print")
    shown = visit.page.evaluate(
        """[...document.querySelectorAll('figure[data-hl-figure]')].map(f => [
          [...f.querySelectorAll('img.hl-still')].filter(i => i.offsetWidth > 0
            && getComputedStyle(i).visibility === 'visible').length,
          [...f.querySelectorAll('.hl-live, .hl-panel')].filter(e => getComputedStyle(e).display !== 'none').length])"""
    )
    assert shown and all(pictures == 1 and live == 0 for pictures, live in shown), shown
