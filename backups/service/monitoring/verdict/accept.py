"""Reasons that a person accepts for a while: each stays listed, and no level rises."""

from dataclasses import replace
from datetime import date, timedelta

from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.models import AcceptedReason
from backups.models.accepted_reason import LONGEST_TEXT
from backups.service.monitoring.verdict.gather import require_known
from backups.service.monitoring.verdict.reason import Acceptance, Reason
from backups.service.monitoring.verdict.verdicts import today, verdicts
from destinations.lib.formats import printable

# what is accepted for ever is forgotten
LONGEST = timedelta(days=366)


def accept_reason(instance: str, key: str, *, text: str, until: date, by: audit.Actor) -> Reason:
    """Accept the reason `key`, a code or ``code:subject``, of `instance` to the end of the day `until`.

    Another acceptance of it is replaced. Raises BackupError for a reason that the instance does not have now.
    """
    text = printable(text.strip())
    first, last = today(), today() + LONGEST
    if not text:
        raise BackupError("The reason was not accepted: it says nowhere why.", hint="Give a text.")
    if len(text) > LONGEST_TEXT:
        raise BackupError(f"The text is longer than {LONGEST_TEXT} characters.", hint="Say it shorter.")
    if not first <= until <= last:
        raise BackupError(
            f"A reason cannot be accepted until {until}.",
            hint=f"Choose a day from {first} to {last}; after that it has to be accepted anew.",
        )
    reason = _find(instance, key)
    name, now = audit.name_of(by), timezone.now()
    row, _ = AcceptedReason.objects.update_or_create(
        instance=instance,
        code=reason.code,
        subject=reason.subject,
        defaults={"level": reason.level.value, "text": text, "until": until, "by": name, "created_at": now},
    )
    audit.log("reason.accepted", instance=instance, reason=reason.key, until=until, text=text, by=name)
    audit.note(by, row, f"Accepted until {until}: {text}")
    return replace(reason, accepted=Acceptance(text, until, name, now, reason.level))


def withdraw_reason(instance: str, key: str, *, by: audit.Actor) -> AcceptedReason:
    """Withdraw the acceptance of the reason `key` of `instance`. Raises BackupError when there is none."""
    known = {row.key: row for row in AcceptedReason.objects.filter(instance=instance)}
    row = known.get(key)
    if row is None:
        names = ", ".join(sorted(known)) or "none"
        raise BackupError(f"No reason {key!r} of {instance} is accepted.", hint=f"Accepted are: {names}.")
    name, pk = audit.name_of(by), row.pk
    row.delete()
    # the history of the row is found by its id
    row.pk = pk
    audit.log("reason.withdrawn", instance=instance, reason=row.key, by=name)
    audit.note(by, row, "Withdrawn.")
    return row


def _find(instance: str, key: str) -> Reason:
    require_known(instance)
    (verdict,) = verdicts([instance])
    known = {reason.key: reason for reason in verdict.reasons}
    if key in known:
        return known[key]
    # a code alone, where it is of one reason only
    alike = [reason for reason in verdict.reasons if reason.code == key]
    if len(alike) == 1:
        return alike[0]
    names = ", ".join(known) or "none"
    raise BackupError(f"{instance} has no reason {key!r} now.", hint=f"Its reasons are: {names}.")
