"""The next runs of a schedule, as a person types them."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages.browser_steps import expect_message, field
from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser
FORM = "/admin/backups/backupschedule/add/"


def test_the_next_runs_appear_while_the_expression_is_typed_and_an_impossible_one_is_shown(
    page: Page, site: Site
) -> None:
    page.goto(site.url + FORM)
    expression, runs = page.get_by_role("textbox", name="Expression"), field(page, "local")
    expect(runs).to_have_count(0)
    expression.press_sequentially("0 2 31 2 *")
    expect(field(page, "problem")).to_contain_text("'0 2 31 2 *' names a day that never comes")
    expect(runs).to_have_count(0)
    expression.fill("0 2 * * *")
    page.get_by_role("combobox", name="Time zone").select_option("Asia/Tokyo")
    expect(field(page, "words")).to_have_text("at 02:00, every day (Asia/Tokyo)")
    expect(runs).to_have_count(5)
    expect(runs.first).to_contain_text("02:00 JST")
    expect(field(page, "utc").first).to_contain_text("17:00 UTC")


def test_a_schedule_is_added_paused_and_resumed_by_its_buttons(page: Page, site: Site) -> None:
    page.goto(site.url + FORM)
    page.get_by_role("textbox", name="Name").fill("nightly")
    page.get_by_role("textbox", name="Expression").fill("0 2 * * *")
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_role("button", name="Pause").click()
    expect_message(page, "success")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator('[data-action="pause"]')).to_be_visible()
    expect_message(page, "success")
    expect(page.locator('[data-action="run"]')).to_be_visible()
