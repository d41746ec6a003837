"""The report as a browser shows it. Needs the package playwright and a Chromium, and is skipped without."""

import shutil
from itertools import product

import pytest
from html_page import Page
from report_page import subject
from run_files import search_records, write

from nas_jax.objectives import Objective
from nas_jax.report.write import write_page
from nas_jax.spaces.categorical import Categorical
from nas_jax.surrogates.gaussian_process import GaussianProcess

sync_api = pytest.importorskip("playwright.sync_api")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_a_browser_shows_every_section_and_asks_for_nothing(browser, complete):
    space = Categorical(genes=tuple((name, tuple(range(1, 9))) for name in "abcd"))
    path = write_page(subject(complete, space=space, surrogate=GaussianProcess(num_starts=1)))
    for width, scheme in product((1280, 390), ("light", "dark")):
        look(browser, path, width, scheme)


def look(browser, path, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    messages, requests = [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert messages == []
    assert requests == [path.as_uri()]
    ids = list(Page(path.read_text()).sections)
    assert page.eval_on_selector_all("section", "found => found.map(each => each.id)") == ids
    for id in ids:
        box = page.locator(f"section#{id}").bounding_box()
        assert box["height"] > 40
        assert box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("svg.plot").count() >= 4
    assert all(each.bounding_box()["width"] > 250 for each in page.locator("svg.plot").all())
    colours = page.evaluate(
        "[document.body, ...document.querySelectorAll('svg.plot text')].map(each => getComputedStyle(each).fill + "
        "getComputedStyle(each).backgroundColor)"
    )
    is_dark = "rgb(20, 23, 27)" in colours[0]
    assert is_dark == (scheme == "dark")
    inks = {colour.partition("rgba")[0] for colour in colours[1:]}
    assert inks == {"rgb(230, 232, 234)" if is_dark else "rgb(27, 31, 36)"}
    context.close()


def test_points_of_a_front_are_read_by_mouse_and_by_keyboard(browser, tmp_path):
    objectives = Objective(), Objective("num_params", maximize=False)
    path = write_page(subject(write(tmp_path / "run", search_records(20)), *objectives))
    for width in (1280, 390):
        page = browser.new_context(viewport={"width": width, "height": 800}).new_page()
        page.goto(path.as_uri())
        points = page.locator("a.point")
        said = [point.get_attribute("aria-label") for point in points.all()]
        assert said
        points.first.locator(".dot").hover()
        assert shown(page) == said[:1]
        page.mouse.move(0, 0)
        points.first.focus()
        assert shown(page) == said[:1]
        page.keyboard.press("Tab")
        assert shown(page) == said[1:2]
        box = page.locator(".area").first.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def shown(page):
    return [tip.inner_text() for tip in page.locator(".tip").all() if tip.is_visible()]
