"""What the JSON columns hold, entry by entry. Others read them too: a key keeps its name and its meaning."""

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
    """What a hook printed, in `hook_output`; its exit code is None after the timeout."""

    hook: str
    at: str
    exit_code: int | None
    output: str


class ComponentOutcome(TypedDict):
    """What became of one target of a restore, in `outcome`: a state of `RestoreExecution.State`, and what was taken."""

    state: str
    component: str
    path: str
    rows: int
    bytes: int


class Counts(TypedDict):
    """What a drill or a verification counted in an archive that is good, in `findings`; of another nearly nothing."""

    checking_seconds: NotRequired[float]
    archive_bytes: NotRequired[int]
    files: NotRequired[int]
    databases: NotRequired[int]
    rows: NotRequired[int]
    signature: NotRequired[str]
    sqlite_version: NotRequired[str]


class DrillResult(Counts):
    """What a backup keeps of its last drill and verification, and ``--json`` prints. `at` in ISO 8601."""

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
    """Data that was there before and is not in this backup; with `confirmed_at`, a person said that it is to be so."""

    component: str
    table: str
    measure: str
    before: int
    after: int
    confirmed_by: NotRequired[str]
    confirmed_at: NotRequired[str]


# The layers of a configuration by name, with their secrets masked; the kind of service says which layers there are.
KeptConfiguration: TypeAlias = dict[str, Sections]
