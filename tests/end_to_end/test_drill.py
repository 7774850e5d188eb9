"""A drill and a verification, asked for in a real browser and made by a real worker."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages.browser_steps import (
    assert_every_page_fits,
    back_up_from_the_front_page,
    expect_status,
    field,
    notice,
    wait_until_completed,
)
from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser


def test_a_drill_is_watched_to_its_verdict_and_a_damaged_archive_is_shown_everywhere(
    page: Page, site: Site, tmp_path: Path
) -> None:
    back_up_from_the_front_page(page)
    wait_until_completed(page)
    backup = page.url

    page.get_by_role("button", name="Drill").click()
    expect(page.get_by_role("heading", name="Drill of tacacs-demo")).to_be_visible()
    drill = page.url
    expect_status(page, "completed")
    expect(notice(page, "verdict")).to_have_attribute("data-status", "passed")
    expect(field(notice(page, "verdict"), "seconds")).to_be_visible()

    page.goto(backup)
    expect(notice(page, "drill-passed")).to_be_visible()
    (archive,) = (site.home / "backups").rglob("*-manual.tar.gz")
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    page.get_by_role("button", name="Verify").click()
    verification = page.url
    expect_status(page, "failed")
    expect(notice(page, "verdict")).to_have_attribute("data-status", "failed")
    expect(page.get_by_role("alert")).to_be_visible()

    page.goto(backup)
    expect(notice(page, "verification-failed")).to_be_visible()
    page.goto(f"{site.url}/admin/")
    expect(notice(page, "verification-failed")).to_have_attribute("data-about", "tacacs-demo")
    row = page.locator('[data-row="tacacs-demo"]')
    expect(row).to_have_attribute("data-status", "unprotected")
    expect(row.locator('[data-flag="verification-failed"]')).to_be_visible()
    expect(row.locator('[data-reason="nothing-restores"]')).to_be_visible()

    drills = f"{site.url}/admin/backups/drillexecution/"
    instance = f"{site.url}/admin/backups/instances/tacacs-demo/"
    assert_every_page_fits(page, [drill, verification, backup, f"{site.url}/admin/", drills, instance], tmp_path)
