"""Copies on the front page: how many instances have one off this machine, and which backups lack one."""

import pytest

from destinations.backends import TYPES
from destinations.backends.local import LocalDestination
from tests.support.pages.front_page import row
from tests.support.pages.parsed import page_at
from tests.support.rows import VIEW, a_client, a_copy, a_destination, an_execution

pytestmark = pytest.mark.django_db


class Far(LocalDestination):
    type = "far"
    label = "Far away"
    off_box = True


def test_it_counts_the_instances_with_a_sound_copy_off_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TYPES, "far", Far)
    client = a_client(VIEW)
    assert page_at(client, "/admin/").field("off_box").value == "0"
    backup, far = an_execution("shop"), a_destination("far", type="far", config_json={"path": "far"})
    an_execution("wiki")
    copy = a_copy(backup, far)
    assert page_at(client, "/admin/").field("off_box").value == "1"
    copy.state, copy.path = "failed", ""
    copy.save()
    assert page_at(client, "/admin/").field("off_box").value == "0"


def test_it_names_the_instances_whose_backups_lack_a_copy() -> None:
    an_execution("shop", copies_state="missing")
    an_execution("wiki", copies_state="all")
    client = a_client(VIEW)
    page = page_at(client, "/admin/")
    assert page.notices().count("lacks-a-copy") == 1
    assert "1 backup of shop lacks a copy" in page.notice("lacks-a-copy").text
    assert [row(client, name).all(data_reason="copies-missing") != [] for name in ("shop", "wiki")] == [True, False]
