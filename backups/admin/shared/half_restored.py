"""The restores that left an instance half restored, asked for once in a request."""

from typing import Any

from django.http import HttpRequest

from backups.models import RestoreExecution
from backups.service.restore.ending.half_restored import not_rolled_back

HALF_DONE = "_left_half_done"


def not_rolled_back_of(request: HttpRequest) -> list[RestoreExecution]:
    """Return them as `not_rolled_back`, whoever may see them: the head of each page and the front page need them."""
    kept: dict[str, Any] = vars(request)
    if HALF_DONE not in kept:
        kept[HALF_DONE] = not_rolled_back()
    found: list[RestoreExecution] = kept[HALF_DONE]
    return found
