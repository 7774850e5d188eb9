"""The options of locks, which every type has whose store can refuse to delete a file before a moment."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django import forms

from destinations.backends.base.trial import TEST_PREFIX
from destinations.exceptions import DestinationConfigError

LONGEST_LOCK_DAYS = 3650


def lock_fields(needs: str, modes: Mapping[str, str]) -> dict[str, forms.Field]:
    """Return the fields of locks. `needs` says what the store has to have; `modes` what each mode means.

    The first mode is the strict one, and the default.
    """

    def days(label: str, help_text: str) -> forms.IntegerField:
        return forms.IntegerField(
            label=label, help_text=help_text, required=False, min_value=1, max_value=LONGEST_LOCK_DAYS
        )

    return {
        "lock_days": days(
            "Locked for",
            f"Days during which the store refuses to delete an archive, whoever asks; blank: not locked. {needs}",
        ),
        "lock_while_kept": forms.BooleanField(
            label="Renew locks",
            required=False,
            help_text="Locks each archive as long as retention keeps it: once a day the lock is renewed, so that it "
            "always ends so many days later.",
        ),
        "lock_mode": forms.ChoiceField(
            label="Mode of locks",
            required=False,
            choices=[(mode, mode) for mode in modes],
            initial=next(iter(modes)),
            help_text=" ".join(f"{mode}: {meaning}" for mode, meaning in modes.items()),
        ),
        "lock_max_days": days(
            "Longest lock",
            "Confirms locks: none is ever set that ends later than so many days from then. Needed where archives are "
            "locked.",
        ),
    }


def check_locks(type_: str, options: Mapping[str, object]) -> None:
    """Raise `DestinationConfigError` for locks that nobody confirmed, or that are longer than what is confirmed."""
    days, most = _number(options["lock_days"]), _number(options["lock_max_days"])
    for option, holds, hint in (
        ("lock_max_days", not days or most, "Enter the longest time for which you accept that nobody can delete."),
        ("lock_days", not days or days <= most, f"At most {most} days are confirmed by lock_max_days."),
        ("lock_while_kept", days or not options["lock_while_kept"], "Enter lock_days: so long is each renewed lock."),
    ):
        if not holds:
            raise DestinationConfigError(
                f"The option {option!r} of a destination of type {type_!r} is wrong.", hint, option
            )


def lock_time(options: Mapping[str, object], path: str) -> timedelta | None:
    """Return for how long a new file is locked; None where it is not."""
    # what a test stores is deleted at its end
    days = 0 if path.startswith(TEST_PREFIX) else _number(options["lock_days"])
    return timedelta(days=days) if days else None


def require_confirmed(options: Mapping[str, object], path: str, until: datetime, now: datetime) -> None:
    """Raise `DestinationConfigError` for a lock that is longer than a person has confirmed."""
    most = _number(options["lock_max_days"])
    if until > now + timedelta(days=most):
        raise DestinationConfigError(
            f"{path} cannot be locked until {until:%Y-%m-%d}: at most {most} days are confirmed.",
            "Raise lock_max_days of the destination, or choose an earlier end.",
            "lock_max_days",
        )


def _number(value: object) -> int:
    return int(str(value or 0))
