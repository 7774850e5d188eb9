"""The limits by which facts are judged."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """`drill_period` counts where regular drills are off. `key_check_age` is how old the last key check may be."""

    # a drill waits for others of its queue, and may take hours
    drill_grace: timedelta = timedelta(days=1)
    drill_period: timedelta = timedelta(days=90)
    # keys are tried once a day, at one destination a minute
    key_check_age: timedelta = timedelta(days=2)
    failures_in_a_row: int = 2
    # for a test alarm to be confirmed
    confirmation: timedelta = timedelta(days=7)
    backups_that_must_fit: int = 3
    # for its turn, behind other copies
    copy_waits: timedelta = timedelta(days=1)
