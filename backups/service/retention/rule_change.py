"""Changes of a retention rule: one that deletes more than the rule before has to be confirmed first."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.service.retention.archived import Planned, invalid_rules_refused
from backups.service.retention.plan import more_deletions
from destinations.lib.formats import counted
from destinations.models import BackupDestination
from destinations.policies.retention_fields import as_json
from destinations.policies.retention_rule import RetentionError, Rule


def settle_rule(destination: BackupDestination, *, now: datetime | None = None) -> list[Planned]:
    """Record whether the rule of `destination` needs a confirmation; return what it would delete more.

    One that deletes no more than the last confirmed one is in force at once; at an append-only destination none is.
    Raises BackupError for an invalid rule.
    """
    now = now or timezone.now()
    with invalid_rules_refused(destination):
        rule, confirmed = destination.rule(), destination.last_confirmed_rule()
    waiting = more_deletions(destination, confirmed, rule, now)
    if not waiting:
        # where only the store deletes, a rule deletes nothing, and is not agreed to by that
        _put_in_force(destination, None if destination.append_only else rule)
    elif destination.rule_pending_since is None:
        _save(destination, rule_pending_since=now, confirmed_rule=as_json(confirmed))
        audit.log(
            "retention.rule-pending", logging.WARNING, destination=destination.name, rule=str(rule),
            before=str(confirmed), more=len(waiting),
        )  # fmt: skip
    return waiting


def keep_rule_as_confirmed(destination: BackupDestination) -> None:
    """Set the rule that `destination` has as the confirmed one, before it is replaced; nothing is saved."""
    with suppress(RetentionError):  # an invalid one has deleted nothing
        destination.confirmed_rule = as_json(destination.rule())


def rule_warnings(destination: BackupDestination) -> Iterator[str]:
    """Yield a warning when the rule of `destination` waits for its confirmation."""
    try:
        rule, confirmed = destination.rule(), destination.last_confirmed_rule()
    except RetentionError:  # reported by the system check of the settings, and by each pass
        return
    if waiting := more_deletions(destination, confirmed, rule, timezone.now()):
        yield (
            f"The rule {rule} would delete {counted(len(waiting), 'more backup')}, and is not confirmed: "
            f"manage.py confirmrule {destination.name} --dry-run."
        )


def confirm_rule(destination: BackupDestination, *, by: audit.Actor) -> Rule | None:
    """Confirm the rule of `destination`, and return it.

    Raises BackupError when it needs no confirmation, or is invalid.
    """
    waiting = settle_rule(destination)
    if not waiting:
        raise BackupError(f"The rule of {destination.name} is in force already.")
    rule = destination.rule()
    _put_in_force(destination, rule)
    audit.log(
        "retention.rule-confirmed", destination=destination.name, by=audit.name_of(by), rule=str(rule),
        more=len(waiting),
    )  # fmt: skip
    audit.note(by, destination, f"Confirmed the retention rule {rule}: {len(waiting)} more backups go.")
    return rule


def _put_in_force(destination: BackupDestination, rule: Rule | None) -> None:
    wanted = as_json(rule)
    if destination.confirmed_rule != wanted or destination.rule_pending_since is not None:
        _save(destination, confirmed_rule=wanted, rule_pending_since=None)


def _save(destination: BackupDestination, **columns: object) -> None:
    BackupDestination.objects.filter(pk=destination.pk).update(**columns)
    for column, value in columns.items():
        setattr(destination, column, value)
