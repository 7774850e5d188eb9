"""What people do in the browser, again and again."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

END_MS = 30_000


def back_up_from_the_front_page(page: Page) -> None:
    page.get_by_role("link", name="backupsite").click()
    page.get_by_role("button", name="Back up now tacacs-demo").click()
    expect(page.get_by_role("heading", name="Backup of tacacs-demo")).to_be_visible()


def state_of(page: Page) -> Locator:
    """Return the state of the run that the page is about."""
    return page.locator('[data-section="state"] [data-run]')


def expect_status(page: Page, status: str, *, timeout: int = END_MS) -> None:
    """Wait until the page shows by itself that its run is in that state."""
    expect(state_of(page)).to_have_attribute("data-status", status, timeout=timeout)


def expect_message(page: Page, level: str) -> None:
    """Look for one message of the site, of that level."""
    expect(page.locator(f".messagelist li.{level}:not([data-notice])")).to_have_count(1)


def field(page: Page | Locator, name: str) -> Locator:
    return page.locator(f'[data-field="{name}"]')


def notice(page: Page, kind: str) -> Locator:
    return page.locator(f'[data-notice="{kind}"]')


def wait_until_completed(page: Page) -> None:
    """Wait until the page says so by itself, and has become the one of a completed execution."""
    expect_status(page, "completed")
    expect(page.locator('[data-action="download"]')).to_be_visible()


def assert_every_page_fits(page: Page, addresses: list[str], folder: Path) -> None:
    """Look at each address in light and dark, wide and narrow; nothing may have to be scrolled sideways.

    One that is too wide leaves its picture in `folder`.
    """
    for address in addresses:
        page.goto(address)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] - the two names it knows
            for width in (1200, 400):
                page.set_viewport_size({"width": width, "height": 800})
                overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                if overflow > 0:
                    page.screenshot(path=folder / f"{scheme}-{width}.png", full_page=True)
                assert overflow <= 0, f"{address} is wider than {width} px by {overflow}"
