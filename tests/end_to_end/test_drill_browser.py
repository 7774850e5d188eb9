"""A drill and a verification, asked for in a real browser and made by a real worker."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.end_to_end.browsing import END_MS, assert_every_page_fits, back_up_from_the_front_page, wait_until_completed
from tests.end_to_end.site import Site

pytestmark = pytest.mark.browser


def test_a_drill_is_watched_to_its_verdict_and_a_damaged_archive_is_told_everywhere(
    page: Page, site: Site, tmp_path: Path
) -> None:
    back_up_from_the_front_page(page)
    wait_until_completed(page)
    backup = page.url

    page.get_by_role("button", name="Drill").click()
    expect(page.get_by_role("heading", name="Drill of tacacs-demo")).to_be_visible()
    drill = page.url
    expect(page.locator(".bs-head .bs-badge")).to_have_text("Passed", timeout=END_MS)
    expect(page.get_by_text("The backup restores.")).to_be_visible()
    expect(page.get_by_text("the time of recovery")).to_be_visible()

    page.goto(backup)
    expect(page.get_by_text("The last drill passed.")).to_be_visible()
    (archive,) = (site.home / "backups").rglob("*-manual.tar.gz")
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    page.get_by_role("button", name="Verify").click()
    verification = page.url
    expect(page.locator(".bs-head .bs-badge")).to_have_text("Failed", timeout=END_MS)
    expect(page.get_by_role("alert").filter(has_text="The archive is not good")).to_be_visible()

    page.goto(backup)
    expect(page.get_by_text("The last verification failed: this backup may not restore.")).to_be_visible()
    page.goto(f"{site.url}/admin/")
    expect(page.get_by_text("The last verification of tacacs-demo failed:")).to_be_visible()
    expect(page.get_by_text("No good backup", exact=True)).to_be_visible()

    drills = f"{site.url}/admin/backups/drillexecution/"
    instance = f"{site.url}/admin/backups/backupexecution/instance/tacacs-demo/"
    assert_every_page_fits(page, [drill, verification, backup, f"{site.url}/admin/", drills, instance], tmp_path)
