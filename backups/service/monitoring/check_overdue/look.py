"""One look at the site from its own host: disks, database, then what the rows and the clock say."""

import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, connections

from backups.lib import audit
from backups.outside.problem import Problem, Severity
from backups.outside.read_health import problem_of
from backups.service.monitoring.check_overdue.database import opened_for_reading, write_problem
from backups.service.monitoring.check_overdue.disks import disk_problems
from backups.service.monitoring.health import Health, described, health
from destinations.lib.database_errors import database_error

T = TypeVar("T")


def problems_here(seconds: float) -> list[Problem]:
    """Return what is wrong, the database being waited for at most `seconds`. Raises nothing."""
    found = disk_problems()
    try:
        return found + within(seconds, problems_of_database)
    except TimeoutError:
        text = f"The database does not answer within {seconds:.0f} seconds."
        hint = "Look at the database server, the network to it, or the disk that holds it."
        return [*found, Problem(Severity.CRITICAL, "database-silent", text, hint, is_silence=True)]


def within(seconds: float, ask: Callable[[], T]) -> T:
    """Return what `ask`, which reads the database and raises nothing, returns. Raises TimeoutError."""
    answers: list[T] = []
    done = threading.Event()

    def run() -> None:
        try:
            answers.append(ask())
        finally:
            connections.close_all()
            done.set()

    # a daemon: a server or a disk that does not answer must not keep this process from telling so
    threading.Thread(target=run, name="database", daemon=True).start()
    if not done.wait(seconds) or not answers:
        raise TimeoutError
    return answers[0]


def problems_of_database() -> list[Problem]:
    """Return what the database of this thread says is wrong, and whether it refuses to be written."""
    found = []
    try:
        with opened_for_reading() as note:
            found += problems_of(health())
            if note:
                found.append(Problem(Severity.WARNING, "read-without-log", note))
    except DatabaseError as error:
        known = database_error(error)
        # nothing is known of any backup: that has to wake somebody up, whatever the cause
        return [Problem(Severity.CRITICAL, "database-unusable", known.message, known.hint, is_silence=True)]
    # whatever it is, a watch that ends with a traceback is one that watches nothing
    except Exception as error:
        audit.crashed("checkoverdue.crashed", error)
        text = f"The state of the instances could not be determined: {type(error).__name__}."
        return [Problem(Severity.UNKNOWN, "not-determined", text, "The log has the traceback.", is_silence=True)]
    if problem := write_problem():
        found.append(problem)
    return found


def problems_of(found: Health) -> list[Problem]:
    reasons = [("", reason) for reason in found.site]
    reasons += [(verdict.instance, reason) for verdict in found.verdicts for reason in verdict.reasons]
    return [problem for name, reason in reasons if (problem := problem_of(name, described(reason))) is not None]
