"""A browser before a real site: the tests of a module share the site, and all of them the browser."""

from collections.abc import Iterator
from pathlib import Path

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
]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Path:
    """Return the home of a site that no test runs: it is set up once, and copied."""
    home = tmp_path_factory.mktemp("template") / "home"
    make_home(home, migrated_database)
    return home


@pytest.fixture(scope="module")
def site(browser: Browser, template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(template, tmp_path_factory.mktemp("site") / "home") as site:
        yield site


# not for the session: while playwright runs, Django takes this thread for that of an event loop and refuses queries
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        missing(f"no browser: {CHROMIUM} does not exist")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser window without cookies; any message on its console, such as a violated policy, fails the test."""
    context = browser.new_context()
    said: list[str] = []
    context.on("console", lambda message: _note(message, said))
    context.on("weberror", lambda error: said.append(str(error.error)))
    yield context
    context.close()
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
