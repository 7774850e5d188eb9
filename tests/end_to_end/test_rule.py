"""A stricter rule and a changed folder, by a person in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages.browser_steps import assert_every_page_fits, expect_message, field, notice
from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser
STRICTER = """
from destinations.models import BackupDestination
from backups.service.retention.rule_change import settle_rule
destination = BackupDestination.objects.get()
destination.keep_count = 1
destination.save()
settle_rule(destination)
"""


def archives(site: Site) -> int:
    return len(list((site.home / "backups").rglob("*.tar.gz")))


def test_a_stricter_rule_is_seen_typed_for_and_then_applied_and_a_folder_stays(
    page: Page, site: Site, tmp_path: Path
) -> None:
    site.back_up(4)
    page.goto(f"{site.url}/admin/destinations/backupdestination/")
    page.get_by_role("link", name="local", exact=True).click()
    form = page.url
    page.get_by_role("textbox", name="Folder").fill("elsewhere")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("4 of its archives would be out of reach")).to_be_visible()

    page.goto(form)
    page.get_by_label("Retention strategy").select_option("simple")
    page.get_by_label("Keep count").fill("3")
    page.get_by_label("Min keep").fill("1")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] - the two names it knows
        page.get_by_role("button", name="Save and continue editing").click()
        asked = page.locator('[data-section="rule"]', has=notice(page, "rule-unconfirmed"))
        expect(asked.locator('[data-status="goes"]')).to_have_count(1)
        for width in (1200, 400):
            page.set_viewport_size({"width": width, "height": 800})
            # the form of Django's admin is the widest thing on it without us, too
            box = asked.bounding_box()
            assert box is not None and box["x"] + box["width"] <= width
    page.set_viewport_size({"width": 1200, "height": 800})
    page.get_by_label("Type local to confirm the rule").fill("loc")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator('[data-fault="confirm"]')).to_be_visible()
    page.get_by_label("Type local to confirm the rule").fill("local")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(notice(page, "rule-unconfirmed")).to_have_count(0)
    assert archives(site) == 4
    site.manage("prunebackups")
    assert archives(site) == 3

    site.python(STRICTER)
    page.goto(site.url)
    notice(page, "rule-unconfirmed").get_by_role("link").click()
    preview = page.url
    expect(page.locator('[data-section="would-go"] [data-status="goes"]')).to_have_count(2)
    assert_every_page_fits(page, [site.url, preview], tmp_path)
    site.manage("prunebackups")
    assert archives(site) == 3
    page.goto(preview)
    page.get_by_label("Type local to confirm the rule").fill("local")
    page.get_by_role("button", name="Confirm the rule").click()
    expect_message(page, "success")
    expect(notice(page, "rule-pending")).to_have_count(0)
    expect(field(page, "rule")).to_have_text("simple: the newest 1")
    page.get_by_role("button", name="Prune now: delete 2").click()
    expect_message(page, "success")
    assert archives(site) == 1
