"""A person at a real browser, the real site, a real worker."""

import hashlib
import json
import re
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.pages.browser_steps import (
    END_MS,
    assert_every_page_fits,
    back_up_from_the_front_page,
    expect_message,
    expect_status,
    field,
    notice,
    state_of,
    wait_until_completed,
)
from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser


def test_a_backup_from_the_front_page_completes_while_its_page_is_open(page: Page, site: Site) -> None:
    expect(page.locator('[data-row="tacacs-demo"]')).to_have_attribute("data-status", "unprotected")
    expect(field(page, "banner")).to_have_attribute("data-status", "bad")
    back_up_from_the_front_page(page)
    expect_message(page, "success")
    wait_until_completed(page)

    shown = json.loads(site.manage("listbackups", "--json"))
    (execution,) = shown if isinstance(shown, list) else shown["backups"]
    archive = next((site.home / "backups").rglob(execution["backup_filename"]))
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    manifest = json.loads(members.pop("manifest.json"))
    rows = page.locator('[data-section="components"] tr[data-status="present"]')
    table = {row.get_attribute("data-row"): row for row in rows.all()}
    assert table.keys() == members.keys()
    for entry in manifest["contents"]:
        row = table[entry["file"]]
        expect(field(row, "component")).to_have_text(entry["component"])
        expect(row.locator(".bs-hash")).to_have_attribute("title", hashlib.sha256(members[entry["file"]]).hexdigest())
        if "records" in entry:
            expect(field(row, "records")).to_have_attribute("data-value", str(entry["records"]))
            expect(field(row, "records")).to_contain_text(f"{entry['records']:,}")


def test_the_tables_of_a_database_unfold(page: Page) -> None:
    back_up_from_the_front_page(page)
    wait_until_completed(page)
    row = page.get_by_role("row", name=re.compile("devices.db"))
    expect(row.get_by_role("table")).to_be_hidden()
    row.locator("summary").click()
    expect(row.get_by_role("table")).to_be_visible()


@contextmanager
def locked(site: Site, database: str) -> Iterator[None]:
    """Keep a database of the instance from being read, as a long transaction of the service would."""
    path = site.home / "instance" / "data" / database
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def test_pages_follow_a_running_backup_by_themselves(page: Page, context: BrowserContext, site: Site) -> None:
    front, listing = context.new_page(), context.new_page()
    with locked(site, "devices.db"):
        back_up_from_the_front_page(page)
        front.goto(f"{site.url}/admin/")
        listing.goto(f"{site.url}/admin/backups/backupexecution/")
        for one in (page, front, listing):
            detail = field(one.locator("[data-live]"), "detail")
            expect(detail).to_have_text(re.compile("Exporting, [0-9]+%"), timeout=END_MS)
            expect(one.locator("[data-live]")).to_have_attribute("data-status", "running")
            expect(one.locator("[data-live]").get_by_role("progressbar")).to_be_visible()
        expect(page.locator('[data-step="exporting"]')).to_have_attribute("data-state", "now")
    wait_until_completed(page)
    expect(front.locator('[data-row="tacacs-demo"]')).to_have_attribute("data-status", "at-risk", timeout=END_MS)
    expect(field(front, "banner")).to_have_attribute("data-status", "warning")
    for one in (front, listing):
        expect(one.locator("[data-live]")).to_have_count(0, timeout=END_MS)


def test_a_selection_in_the_list_survives_the_end_of_a_backup(page: Page, site: Site) -> None:
    with locked(site, "devices.db"):
        back_up_from_the_front_page(page)
        page.goto(f"{site.url}/admin/backups/backupexecution/")
        row = page.locator("tbody tr").first
        row.get_by_role("checkbox").check()
        expect(row.locator("[data-run]")).to_have_attribute("data-status", "running", timeout=END_MS)
    expect(row.locator("[data-run]")).to_have_attribute("data-status", "completed", timeout=END_MS)
    expect(field(row, "label")).to_have_text("Completed")
    expect(row.get_by_role("checkbox")).to_be_checked()
    expect(page.locator("[data-live]")).to_have_count(0)


def test_a_page_says_when_the_site_does_not_answer_and_goes_on_when_it_does(page: Page, site: Site) -> None:
    with locked(site, "devices.db"):
        page.route("**/status/**", lambda route: route.fulfill(body="<h1>Bad gateway</h1>"))
        back_up_from_the_front_page(page)
        detail = field(state_of(page), "detail")
        expect(detail).to_have_text("no answer from the site, trying again", timeout=END_MS)
        page.unroute("**/status/**")
        expect(detail).to_have_text(re.compile("Exporting"), timeout=END_MS)
    wait_until_completed(page)


def test_a_running_backup_is_cancelled_by_its_button(page: Page, site: Site) -> None:
    with locked(site, "devices.db"):
        back_up_from_the_front_page(page)
        expect_status(page, "running")
        page.get_by_role("button", name="Cancel").click()
        expect_status(page, "cancelled")
        expect(page.locator('[data-action="again"]')).to_be_visible()


def test_download_verify_and_delete_work_by_their_buttons(page: Page, tmp_path: Path) -> None:
    back_up_from_the_front_page(page)
    wait_until_completed(page)
    name = field(page, "backup_filename").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == name
    download.value.save_as(tmp_path / name)
    digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    expect(field(page, "archive_sha256")).to_have_text(digest)

    backup = page.url
    page.get_by_role("button", name="Verify").click()
    expect_status(page, "completed")
    expect(notice(page, "verdict")).to_have_attribute("data-status", "passed")
    page.goto(backup)

    page.get_by_role("link", name="Delete archive…").click()
    page.get_by_role("textbox", name="Type tacacs-demo to delete its archive").fill("tacacs-demo")
    page.get_by_role("button", name="Delete the archive").click()
    expect_message(page, "success")
    expect(field(page, "deleted_at")).to_be_visible()
    expect(page.locator('[data-action="download"]')).to_have_count(0)
    expect(page.locator('[data-section="history"]').get_by_text(f"Downloaded {name}.")).to_be_visible()


def test_every_page_keeps_the_policy_in_light_and_dark_wide_and_narrow(page: Page, tmp_path: Path) -> None:
    back_up_from_the_front_page(page)
    wait_until_completed(page)
    site, execution = page.url.partition("/admin/")[0], page.url
    pages = ["/admin/", "/admin/backups/backupexecution/", "/admin/backups/backupexecution/start/"]
    addresses = [*(site + address for address in pages), execution, execution.replace("change", "history")]
    assert_every_page_fits(page, addresses, tmp_path)
