"""A tree of files that is about to lose some, before a person in a real browser."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages.browser_steps import assert_every_page_fits, expect_status, field, notice
from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser
SHOP = """
[shop]
kind = "generic"
root = "{root}"
[shop.components.uploads]
kind = "files"
path = "uploads"
"""
FORGET = "from backups.models import TreeList; TreeList.objects.all().delete()"
ODD = "<img src=x onerror=alert(1)>"


@pytest.fixture
def uploads(site: Site) -> Path:
    """Return a new tree of the shop; both tests share their site."""
    folder = site.home / "shop" / "uploads"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name in ("kept", "changed", "deleted"):
        (folder / name).write_text(name)
    file = site.home / "instances.toml"
    if "[shop]" not in file.read_text():
        file.write_text(file.read_text() + SHOP.format(root=site.home / "shop"))
    return folder


def old_files(folder: Path, count: int) -> None:
    for number in range(count):
        (folder / f"old-{number:03}").write_text("old")
        os.utime(folder / f"old-{number:03}", (1_500_000_000, 1_500_000_000))


def test_files_that_a_restore_deletes_are_seen_before_it_and_so_are_those_of_the_undo(
    page: Page, site: Site, uploads: Path, tmp_path: Path
) -> None:
    site.manage("backup", "shop")
    page.goto(f"{site.url}/admin/backups/backupexecution/?instance=shop")
    page.locator("#result_list").get_by_role("link", name="shop").first.click()
    page.get_by_role("link", name="Restore…").click()
    expect(notice(page, "loss")).to_have_attribute("data-status", "nothing")
    expect(field(page, "effect")).to_have_attribute("data-status", "nothing")
    safe = page.url

    old_files(uploads, 260)
    (uploads / ODD).touch()
    (uploads / ("long" * 60)).touch()
    (uploads / "changed").write_text("changed since")
    (uploads / "deleted").unlink()
    page.reload()
    expect(notice(page, "loss")).to_have_attribute("data-status", "loss")
    expect(field(notice(page, "loss"), "loss")).to_contain_text("262 files of uploads")
    going = page.locator('[data-section="going"]')
    expect(field(going, "count")).to_have_attribute("data-value", "262")
    expect(going.get_by_text(ODD)).to_be_hidden()
    field(going, "count").click()
    expect(going.get_by_text(ODD)).to_be_visible()
    for section in ("changing", "returning"):
        count = field(page.locator(f'[data-section="{section}"]'), "count")
        expect(count).to_have_attribute("data-value", "1")
    going.get_by_role("link", name="all of them, page by page").click()
    expect(page.get_by_role("heading", name="Files that differ in shop")).to_be_visible()
    entries = page.url
    page.locator('[data-action="next"]').click()
    expect(page.locator('[data-row="old-259"]')).to_be_visible()
    expect(page.locator('[data-action="next"]')).to_have_count(0)
    page.locator('[data-action="back"]').click()
    assert_every_page_fits(page, [safe, entries], tmp_path)
    page.set_viewport_size({"width": 1200, "height": 800})

    page.goto(safe)
    page.get_by_role("textbox", name="Type shop to restore it").fill("shop")
    page.get_by_role("button", name="Restore shop").click()
    expect_status(page, "completed", timeout=60_000)
    assert sorted(path.name for path in uploads.iterdir()) == ["changed", "deleted", "kept"]

    old_files(uploads, 20)
    page.get_by_role("link", name="Undo…").click()
    # of the 262 files 20 are there again, and would be what they were
    expect(notice(page, "loss")).to_have_attribute("data-status", "loss")
    expect(field(page.locator('[data-section="going"]'), "count")).to_have_attribute("data-value", "1")
    expect(field(page.locator('[data-section="returning"]'), "count")).to_have_attribute("data-value", "242")
    assert_every_page_fits(page, [page.url], tmp_path)


def test_what_cannot_be_shown_is_amber(page: Page, site: Site, uploads: Path, tmp_path: Path) -> None:
    site.manage("backup", "shop")
    site.python(FORGET)
    page.goto(f"{site.url}/admin/backups/backupexecution/?instance=shop")
    page.locator("#result_list").get_by_role("link", name="shop").first.click()
    page.get_by_role("link", name="Restore…").click()
    expect(notice(page, "loss")).to_have_attribute("data-status", "unknown")
    expect(page.locator(".bs-loss.bs-warning")).to_be_visible()
    expect(field(page, "effect")).to_have_attribute("data-status", "unknown")
    assert_every_page_fits(page, [page.url], tmp_path)
