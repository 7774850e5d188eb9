"""A restore in a real browser: preview, restore, progress, undo, acknowledge."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.pages.browser_steps import (
    END_MS,
    assert_every_page_fits,
    back_up_from_the_front_page,
    expect_message,
    expect_status,
    field,
    notice,
    wait_until_completed,
)
from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser
NAME = "tacacs-demo"
DAMAGE = """
DELETE FROM devices WHERE id IN (SELECT id FROM devices LIMIT 2);
"""
LATER = """
INSERT INTO accounting_logs (timestamp, username, session_id, status)
VALUES ('2027-01-01T10:00:01.000001+00:00', 'eve', 1, 'STOP');
"""


def database(site: Site, name: str) -> Path:
    return site.home / "instance" / "data" / name


def run(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(script)


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def component(page: Page, name: str) -> Locator:
    return page.locator(f'[data-component="{name}"]')


def confirm(page: Page, label: str, button: str) -> None:
    page.get_by_role("textbox", name=label).fill(NAME)
    page.get_by_role("button", name=button).click()


def wait_until_restored(page: Page) -> None:
    """Wait until the page says so by itself, and has become the one of a completed restore."""
    expect_status(page, "completed", timeout=2 * END_MS)
    expect(page.locator('[data-action="acknowledge"]')).to_be_visible()


def test_a_damaged_instance_is_restored_undone_and_acknowledged(page: Page, site: Site, tmp_path: Path) -> None:
    devices, accounting = database(site, "devices.db"), database(site, "tacacs_accounting.db")
    sound = dump(devices)
    back_up_from_the_front_page(page)
    wait_until_completed(page)
    backup = page.url
    run(devices, DAMAGE)
    run(accounting, LATER)
    damaged, later = dump(devices), dump(accounting)

    page.get_by_role("link", name="Restore…").click()
    expect(page.get_by_role("heading", name=f"Restore {NAME}?")).to_be_visible()
    preview = page.url
    expect(notice(page, "loss")).to_have_attribute("data-status", "loss")
    expect(field(notice(page, "loss"), "loss")).to_contain_text("1 accounting row written since")
    row = component(page, "devices").locator('[data-row="devices"]')
    expect(field(row, "difference")).to_have_attribute("data-value", "2")
    expect(field(component(page, "devices"), "loss")).to_contain_text("2 devices rows")
    page.get_by_role("checkbox", name="accounting", exact=True).uncheck()
    confirm(page, f"Type {NAME} to restore it", f"Restore {NAME}")

    expect(page.get_by_role("heading", name=f"Restore of {NAME}")).to_be_visible()
    restore = page.url
    wait_until_restored(page)
    assert dump(devices) == sound
    assert dump(accounting) == later

    page.goto(f"{site.url}/admin/")
    expect(field(notice(page, "restart"), "instance")).to_have_text(NAME)
    addresses = [preview, restore, restore.replace("change", "undo"), f"{site.url}/admin/", _list(site), backup]
    assert_every_page_fits(page, addresses, tmp_path)
    page.set_viewport_size({"width": 1200, "height": 800})

    page.goto(restore)
    page.get_by_role("link", name="Undo…").click()
    expect(page.get_by_role("heading", name=f"Undo the restore of {NAME}?")).to_be_visible()
    confirm(page, f"Type {NAME} to undo its restore", "Undo the restore")
    expect(page.get_by_role("heading", name=f"Undo of {NAME}")).to_be_visible()
    wait_until_restored(page)
    assert dump(devices) == damaged

    page.get_by_role("button", name="Acknowledge restore").click()
    expect_message(page, "success")
    expect(field(page, "acknowledged_by")).to_be_visible()
    page.goto(f"{site.url}/admin/")
    expect(notice(page, "restart")).to_have_count(0)


def _list(site: Site) -> str:
    return f"{site.url}/admin/backups/restoreexecution/"
