"""Parsing the tables of instances.toml into instances and problems."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backups.instances.fields import NAME, Mistake, flag, require_known, text, within
from backups.instances.kinds import KINDS
from backups.instances.kinds.base import ServiceKind
from backups.lib.paths import Root
from destinations.lib.secret_names import words_of

COMMON_KEYS = frozenset(
    {"kind", "root", "queue", "labels", "state", "hooks", "watch", "drill_every_days", "secrets", "roots", "map"}
)
HOOKS = ("before_restore", "after_restore", "after_backup")
HOOK_TIMEOUT_SECONDS = 60
MAX_DRILL_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in the file; `instance` is empty when it concerns the whole file, else `queue` is that of its table."""

    instance: str
    key: str
    message: str
    hint: str = ""
    missing: bool = False
    queue: str = ""

    def __str__(self) -> str:
        where = f"[{self.instance}] " if self.instance else ""
        return where + (f"{self.key}: " if self.key else "") + self.message


@dataclass(frozen=True, slots=True)
class Instance:
    """A running service, with the settings that all kinds have; `service` has those of its own kind."""

    name: str
    service: ServiceKind
    # the working directory on this host, or a folder of the service
    root: Path
    queue: str = ""
    # the folder of restart-required.json, which the service or its supervisor reads
    state: Path = Path()
    hooks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hook_timeout: int = HOOK_TIMEOUT_SECONDS
    # whether a change of the configuration starts a backup
    watch: bool = True
    # days between automatic drills of its newest good backup: 0 for never, None for the site's setting
    drill_every_days: int | None = None
    # names that are secret beside those of `destinations.lib.secret_names`
    secrets: tuple[str, ...] = ()
    # names of groups that it belongs to, for schedules and lists
    labels: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return self.service.kind

    @property
    def component_names(self) -> tuple[str, ...]:
        return self.service.component_names


def parse(tables: Mapping[str, Any]) -> tuple[dict[str, Instance], tuple[Problem, ...]]:
    """Return the valid instances, and a problem for each of the others."""
    instances: dict[str, Instance] = {}
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for name, table in tables.items():
        try:
            if (other := seen.setdefault(name.casefold(), name)) != name:
                raise Mistake("", f"The name differs from {other!r} in upper and lower case only.")
            instances[name] = _instance(name, table)
        except Mistake as mistake:
            # whose files they are does not depend on the mistake
            queue = table.get("queue") if isinstance(table, dict) else ""
            queue = queue if isinstance(queue, str) and NAME.fullmatch(queue) else ""
            problems.append(Problem(name, mistake.key, mistake.message, mistake.hint, queue=queue))
    return instances, tuple(problems)


def _instance(name: str, table: Any) -> Instance:
    if not isinstance(table, dict):
        raise Mistake("", "An instance is a table, such as [shop].")
    if not NAME.fullmatch(name):
        raise Mistake("", "A name has letters, digits, '_' and '-', at most 64.")
    named = text(table, "kind")
    if (kind := KINDS.get(named)) is None:
        raise Mistake("kind", "The kind is unknown.", f"Use one of {', '.join(KINDS)}.")
    require_known(table, COMMON_KEYS | kind.keys, "")
    root = _root(table, default=kind.default_root())
    # for what needs a folder that is there: hooks, the marker of a restart
    folder = root.on_host(".")
    home = folder if any(folder.is_relative_to(allowed) for allowed in root.allowed) else root.allowed[0]
    queue = text(table, "queue", default="")
    if queue and not NAME.fullmatch(queue):
        raise Mistake("queue", "This is not the name of a queue.", "Use letters, digits, '_' and '-', at most 64.")
    default = root.on_host(kind.default_state)
    # the default may lie beside the roots
    is_inside = any(default.is_relative_to(allowed) for allowed in root.allowed)
    stated = text(table, "state", default=kind.default_state)
    state = within(root, stated, "state") if "state" in table or is_inside else home
    hooks, hook_timeout = _hooks(table)
    watch = flag(table, "watch", default=True)
    days = table.get("drill_every_days")
    if days is not None and (not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= MAX_DRILL_DAYS):
        raise Mistake(
            "drill_every_days", f"The value must be a number of days between 0 and {MAX_DRILL_DAYS}.", "0 means never."
        )
    secrets = table.get("secrets", [])
    if not isinstance(secrets, list) or not all(isinstance(secret, str) and words_of(secret) for secret in secrets):
        raise Mistake(
            "secrets", "The value must be a list of names with letters in them.", 'Write: secrets = ["door_code"].'
        )
    labels = table.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(label, str) and NAME.fullmatch(label) for label in labels):
        raise Mistake(
            "labels",
            "The value must be a list of names with letters, digits, '_' and '-', at most 64 each.",
            'Write: labels = ["net"].',
        )
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise Mistake("labels", f"{twice[0]!r} stands there twice.")
    service = kind.parse(name, root, table)
    return Instance(name, service, home, queue, state, hooks, hook_timeout, watch, days, tuple(secrets), tuple(labels))


def _root(table: Mapping[str, Any], *, default: str) -> Root:
    folder = _absolute(text(table, "root", default=default or None), "root")
    mapped = table.get("map", {})
    if not isinstance(mapped, dict) or not all(isinstance(path, str) for path in mapped.values()):
        raise Mistake("map", "The value must be a table of folders, such as { '/app/data' = '/srv/volumes/tacacs' }.")
    pairs = tuple((_absolute(inside, "map"), _absolute(outside, "map")) for inside, outside in mapped.items())
    roots = table.get("roots", [])
    if not isinstance(roots, list) or not all(isinstance(path, str) for path in roots):
        raise Mistake("roots", "The value must be a list of folders.")
    if "roots" in table and not roots:
        raise Mistake("roots", "The list is empty.")
    # what is not mapped is in the container only: the same path of this host is another one
    allowed = tuple(_absolute(path, "roots") for path in roots) or tuple(outside for _, outside in pairs) or (folder,)
    return Root(folder, allowed, pairs)


def _absolute(path: str, key: str) -> Path:
    if not path.startswith("/") or "\0" in path:
        raise Mistake(key, "The path is not absolute.")
    return Path(path)


def _hooks(table: Mapping[str, Any]) -> tuple[dict[str, tuple[str, ...]], int]:
    """Return the command of each hook, and their timeout in seconds."""
    hooks = table.get("hooks", {})
    if not isinstance(hooks, dict):
        raise Mistake("hooks", "The hooks are a table, such as [shop.hooks].")
    require_known(hooks, {*HOOKS, "timeout"}, "hooks.")
    commands = {name: argv for name, argv in hooks.items() if name != "timeout"}
    for name, argv in commands.items():
        if not (isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv)):
            raise Mistake(
                f"hooks.{name}", "A hook is a list of words: the program and its arguments.", "There is no shell."
            )
    timeout = hooks.get("timeout", HOOK_TIMEOUT_SECONDS)
    if not isinstance(timeout, int) or isinstance(timeout, bool) or not 1 <= timeout <= 86_400:
        raise Mistake("hooks.timeout", "The timeout must be a number of seconds between 1 and 86400.")
    return {name: tuple(argv) for name, argv in commands.items()}, timeout
