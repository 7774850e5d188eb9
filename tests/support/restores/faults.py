"""Faults that strike while a restore applies its components."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from backups.models import InstanceState
from backups.service.restore.ending import restart
from tests.support.restores.instance_restores import drafts, tacacs_state
from tests.support.site_fixtures import Listing

HOOKS = """
[tacacs-hq.hooks]
before_restore = ["sh", "-c", "echo stopped >> {log}"]
after_restore = ["sh", "-c", "echo started >> {log}"]
"""


class Fault:
    """Fails at the nth call of what it wraps, before or after it was done."""

    def __init__(self, wrapped: Callable[..., Any], nth: int, when: str, error: Exception) -> None:
        self._wrapped, self._left, self._when, self._error = wrapped, nth, when, error

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self._left -= 1
        if self._left == 0 and self._when == "before":
            raise self._error
        result = self._wrapped(*arguments, **options)
        if self._left == 0:
            raise self._error
        return result


def assert_as_before(root: Path, before: dict[str, object], workspaces: Listing) -> None:
    assert tacacs_state(root) == before
    assert drafts(root) == []
    assert workspaces() == []
    assert not (root / "data" / restart.MARKER).exists()
    assert not InstanceState.objects.exclude(restart_required_since=None).exists()
