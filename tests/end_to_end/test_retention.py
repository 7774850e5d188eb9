"""Rules, pins and the catalogue, by a person in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages.browser_steps import assert_every_page_fits, expect_message, field
from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser


def archives(site: Site) -> list[Path]:
    return sorted(path for path in (site.home / "backups").rglob("*.tar.gz") if path.is_file())


def test_a_rule_is_set_previewed_and_applied_and_a_lost_archive_is_found_and_imported(
    page: Page, site: Site, tmp_path: Path
) -> None:
    site.back_up(4)
    oldest, *_, newest = archives(site)

    page.goto(f"{site.url}/admin/destinations/backupdestination/")
    page.get_by_role("link", name="local", exact=True).click()
    page.get_by_label("Retention strategy").select_option("simple")
    page.get_by_label("Keep days").fill("30")
    page.get_by_label("Keep daily").fill("7")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("keep_daily has no effect in the retention strategy 'simple'.")).to_be_visible()
    page.get_by_label("Keep daily").fill("")
    page.get_by_label("Keep days").fill("")
    page.get_by_label("Keep count").fill("1")
    page.get_by_label("Min keep").fill("1")
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_label("Type local to confirm the rule").fill("local")
    page.get_by_role("button", name="Save and continue editing").click()
    destination = page.url

    page.goto(f"{site.url}/admin/backups/backupexecution/?q={oldest.name}")
    page.locator("#result_list").get_by_role("link", name="tacacs-demo").click()
    page.get_by_role("link", name="Pin…").click()
    page.get_by_label("Reason").fill("the state before the migration")
    page.get_by_role("button", name="Pin it").click()
    expect_message(page, "success")
    expect(field(page, "pin_reason")).to_have_text("the state before the migration")

    page.goto(destination)
    page.get_by_role("link", name="Retention", exact=True).click()
    preview = page.url
    entries = page.locator('[data-section="entries"]')
    pinned = field(entries.locator('[data-status="kept"]'), "because").filter(has_text="pinned: ")
    expect(pinned).to_have_text("pinned: the state before the migration")
    expect(entries.locator('[data-row][data-status="goes"]')).to_have_count(2)
    assert_every_page_fits(page, [preview], tmp_path)
    page.get_by_role("button", name="Prune now: delete 2").click()
    expect_message(page, "success")
    expect(field(page, "goes")).to_have_attribute("data-value", "0")
    assert archives(site) == [oldest, newest]

    lost = newest.rename(tmp_path / newest.name)
    page.goto(destination)
    page.get_by_role("link", name="Catalogue").click()
    catalogue = page.url
    expect(page.locator('[data-section="missing"] [data-row]')).to_have_count(1)
    assert_every_page_fits(page, [catalogue], tmp_path)
    page.get_by_role("button", name="Update the catalogue").click()
    expect(page.get_by_text("1 marked as missing")).to_be_visible()

    page.goto(f"{site.url}/admin/backups/backupexecution/")
    page.get_by_role("link", name="Import an archive").click()
    page.get_by_label("Archive").set_input_files(lost)
    page.get_by_label("Destination").select_option("local")
    assert_every_page_fits(page, [page.url], tmp_path)
    page.get_by_label("Archive").set_input_files(lost)
    page.get_by_label("Destination").select_option("local")
    page.get_by_role("button", name="Import", exact=True).click()
    expect_message(page, "success")
    expect(field(page, "backup_filename")).to_have_text(lost.name)
    assert archives(site) == [oldest, newest]
