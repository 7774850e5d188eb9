"""A browser before a real site: the tests of a module share what is in it, and all of them its processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.support.programs import missing
from tests.support.sites.browser_site import Site, make_home, running_site

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",
]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Path:
    """Return the home of a site that no test runs: it is set up once, and copied."""
    home = tmp_path_factory.mktemp("template") / "home"
    make_home(home, migrated_database)
    return home


@pytest.fixture(scope="package")
def running(browser: Browser, template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(template, tmp_path_factory.mktemp("site") / "home") as site:
        yield site


@pytest.fixture(scope="module")
def site(running: Site, template: Path) -> Iterator[Site]:
    """Return the site, in which nothing has happened before the first test of a module."""
    yield running
    running.begin_anew(template)


# not for the session: while playwright runs, Django takes this thread for that of an event loop and refuses queries
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        missing(f"no browser: {CHROMIUM} does not exist")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def window(browser: Browser, running: Site) -> Iterator[BrowserContext]:
    """Return the browser window of all tests: it has the site's styles and scripts, and a page that stays open."""
    context = browser.new_context()
    # with the last page of the site its process would end
    context.new_page().goto(f"{running.url}/admin/login/")
    yield context
    context.close()


@pytest.fixture
def context(window: BrowserContext) -> Iterator[BrowserContext]:
    """Return it without cookies; any message on its console, such as a violated policy, fails the test."""
    window.clear_cookies()
    said: list[str] = []
    listeners: dict[Any, Any] = {
        "console": lambda message: _note(message, said),
        "weberror": lambda error: said.append(str(error.error)),
    }
    for event, listener in listeners.items():
        window.on(event, listener)
    yield window
    for page in window.pages[1:]:
        page.close()
    for event, listener in listeners.items():
        window.remove_listener(event, listener)
    assert said == []


def _note(message: ConsoleMessage, said: list[str]) -> None:
    # advice of the browser about forms with several secrets is no fault of the page
    if message.type not in ("debug", "verbose") and not message.location["url"].endswith("/favicon.ico"):
        said.append(f"{message.type}: {message.text} ({message.location['url']})")


@pytest.fixture
def page(context: BrowserContext, site: Site) -> Page:
    """The front page, of a user who has signed in."""
    context.add_cookies([{"name": "sessionid", "value": site.session, "url": site.url}])
    page = context.new_page()
    page.goto(site.url)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return page
