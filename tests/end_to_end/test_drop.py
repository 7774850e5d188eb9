"""Data that is gone from a running service, seen and confirmed by a person in a real browser."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages.browser_steps import assert_every_page_fits, notice
from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser


def empty_devices(site: Site) -> None:
    with closing(sqlite3.connect(site.home / "instance" / "data" / "devices.db")) as connection, connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        for (name,) in names.fetchall():
            connection.execute(f'DELETE FROM "{name}"')


def test_an_emptied_database_is_amber_everywhere_until_its_loss_is_confirmed(
    page: Page, site: Site, tmp_path: Path
) -> None:
    site.manage("backup", "tacacs-demo")
    empty_devices(site)
    site.manage("backup", "tacacs-demo")

    page.goto(site.url)
    front = page.url
    dropped = page.locator('[data-reason="data-dropped"]')
    expect(dropped).to_have_count(1)
    expect(notice(page, "drop")).to_contain_text("devices")
    notice(page, "drop").get_by_role("link").click()
    backup = page.url
    drops = page.locator('[data-section="drops"]')
    expect(drops.locator('[data-row][data-status="open"]')).to_have_count(1)
    page.get_by_role("link", name="Confirm drop…").click()
    confirm = page.url
    expect(page.get_by_role("checkbox", name="devices")).to_be_checked()
    page.goto(f"{site.url}/admin/backups/instances/tacacs-demo/")
    instance = page.url
    page.goto(f"{site.url}/admin/backups/backupexecution/")
    assert_every_page_fits(page, [front, backup, confirm, instance, page.url], tmp_path)

    page.goto(confirm)
    page.get_by_label("Type tacacs-demo to confirm").fill("tacacs-demo")
    page.get_by_role("button", name="The data is gone on purpose").click()
    expect(drops.locator('[data-row][data-status="confirmed"]')).to_have_count(1)
    page.goto(front)
    expect(notice(page, "drop")).to_have_count(0)
    expect(dropped).to_have_count(0)
