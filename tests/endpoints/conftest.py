from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from backups.instances.kinds import KINDS
from backups.service.monitoring import usage
from backups.service.monitoring.verdict.site import OWN_KIND

TOKEN = "t" * 40
SHOP = """\
[shop]
kind = "generic"
root = "/srv/shop"
components.orders = {kind = "sqlite", path = "orders.db"}
"""


@pytest.fixture
def token(settings: Settings) -> str:
    settings.BACKUP_MONITORING_TOKEN = TOKEN
    return TOKEN


@pytest.fixture
def shop(declare: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    # that the site itself is not backed up is a reason of its own
    monkeypatch.delitem(KINDS, OWN_KIND)
    declare(SHOP)


@pytest.fixture(autouse=True)
def _nothing_is_kept_from_another_test() -> Iterator[None]:
    usage.forget()
    yield
    usage.forget()
