"""Types of the JSON columns. The keys are part of what ``--json`` prints: names and meanings are stable."""

from typing import NotRequired, TypeAlias, TypedDict, TypeVar

from django.db import models

T = TypeVar("T")
# the type of a column, in quotes: fields take no parameters while the program runs
Json: TypeAlias = "models.JSONField[T, T]"
# a stage or a status, and when it began in ISO 8601
TimelineEntry = list[str]
# by section, then by key
Sections = dict[str, dict[str, str]]


class HookNote(TypedDict):
    """An entry of `hook_output`: what a hook printed; `exit_code` is None after the timeout."""

    hook: str
    at: str
    exit_code: int | None
    output: str


class ComponentOutcome(TypedDict):
    """An entry of `outcome`, for one target of a restore; `state` is one of `RestoreExecution.State`.

    `path_hex` are the bytes of a path that is not UTF-8, in hexadecimal: `path` shows it escaped.
    """

    state: str
    component: str
    path: str
    # None for what has no rows, such as a folder of files
    rows: int | None
    bytes: int
    path_hex: NotRequired[str]


class Counts(TypedDict):
    """The column `findings`: what a drill or a verification counted. Of a bad archive most keys are absent."""

    checking_seconds: NotRequired[float]
    archive_bytes: NotRequired[int]
    files: NotRequired[int]
    databases: NotRequired[int]
    rows: NotRequired[int]
    signature: NotRequired[str]
    # from which the archive was read
    destination: NotRequired[str]
    sqlite_version: NotRequired[str]


class DrillResult(Counts):
    """The columns `drill` and `verification` of a backup: the last result of each. `at` in ISO 8601."""

    verdict: str
    at: str
    by: str
    seconds: float
    bytes: int
    warnings: list[str]
    error: str
    hint: str
    run: str


class DropEntry(TypedDict):
    """Data that the backup before had and this one lacks; `confirmed_at` is set when a person confirmed the drop.

    `kind` is "shrunk" or "grown" for what is off the trend: `before` is the median of the last `backups` then, and
    `limit` the amount from which on it is off.
    """

    component: str
    table: str
    measure: str
    before: int
    after: int
    kind: NotRequired[str]
    limit: NotRequired[int]
    backups: NotRequired[int]
    confirmed_by: NotRequired[str]
    confirmed_at: NotRequired[str]


class ComponentAmount(TypedDict):
    """How much a component holds in a backup; None for what it does not have, or what could not be counted."""

    component: str
    rows: int | None
    files: int | None
    bytes: int


class AbsentComponent(TypedDict):
    """A described component that does not exist now. `severity` is "problem", "loss", "note" or "expected".

    `component` is empty when nothing is known of any. `backups` is how many backups of the instance there were.
    """

    component: str
    reason: str
    hint: str
    severity: str
    backups: int


# The layers of a configuration by name, with their secrets masked; the kind of service says which layers there are.
KeptConfiguration: TypeAlias = dict[str, Sections]
