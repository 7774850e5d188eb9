"""The grammar of instances.toml: tables in, frozen instances and named problems out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backups.components import ComponentSpec
from backups.errors import ComponentError
from backups.sources import confined

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
KINDS = ("tacacs", "generic")
COMPONENT_KINDS = ("sqlite", "files")
TACACS_COMPONENTS = ("config", "devices", "users", "accounting", "metrics", "audit")
TACACS_OPTIONAL = ("overrides", "devices", "users", "accounting", "metrics", "audit")
COMMON_KEYS = {"kind", "root", "queue", "state", "hooks", "watch", "drill_every_days"}
INSTANCE_KEYS = {
    "tacacs": COMMON_KEYS | {"config", "optional", "databases", "environment_file"},
    "generic": COMMON_KEYS | {"components", "backup"},
}
HOOKS = ("before_restore", "after_restore", "after_backup")
HOOK_TIMEOUT_SECONDS = 60
MOST_DRILL_DAYS = 3650
COMPONENT_KEYS = {"kind", "path", "optional"}
RESERVED_COMPONENTS = {"manifest", "config_export"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the file; `instance` is empty when it concerns the whole file."""

    instance: str
    key: str
    message: str
    hint: str = ""
    missing: bool = False

    def __str__(self) -> str:
        where = f"[{self.instance}] " if self.instance else ""
        return where + (f"{self.key}: " if self.key else "") + self.message


@dataclass(frozen=True, slots=True)
class Instance:
    """A running service. For kind tacacs the components follow from its configuration file."""

    name: str
    kind: str
    root: Path
    config: str = ""
    components: tuple[ComponentSpec, ...] = ()
    optional: frozenset[str] = frozenset()
    # where its databases are, by component, whatever its configuration says
    databases: Mapping[str, Path] = field(default_factory=dict)
    # a file with the environment that the service is started with
    environment_file: Path | None = None
    queue: str = ""
    # where restart-required.json is left for the service and its supervisor
    state: Path = Path()
    hooks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hook_timeout: int = HOOK_TIMEOUT_SECONDS
    # whether a change of the configuration is backed up by itself
    watch: bool = True
    # how often its newest good backup is drilled by itself: 0 never, None as the site has it
    drill_every_days: int | None = None
    # what a generic instance declares, as sections: "backup", "backup.destinations.NAME", "backup.schedules.NAME"
    backup: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def config_is_url(self) -> bool:
        return self.config.startswith(("https://", "http://"))

    @property
    def component_names(self) -> tuple[str, ...]:
        return TACACS_COMPONENTS if self.kind == "tacacs" else tuple(spec.name for spec in self.components)


class Mistake(Exception):  # noqa: N818 - it becomes a Problem, never an error of the program
    """A mistake at `key` of the instance that is being read."""

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.key, self.message, self.hint = key, message, hint


def parse(tables: Mapping[str, Any]) -> tuple[dict[str, Instance], tuple[Problem, ...]]:
    """Return the instances that are described well, and one problem for each that is not."""
    instances: dict[str, Instance] = {}
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for name, table in tables.items():
        try:
            if (other := seen.setdefault(name.casefold(), name)) != name:
                raise Mistake("", f"duplicate name: it differs from {other!r} in upper and lower case only")
            instances[name] = _instance(name, table)
        except Mistake as mistake:
            problems.append(Problem(name, mistake.key, mistake.message, mistake.hint))
    return instances, tuple(problems)


def _instance(name: str, table: Any) -> Instance:
    if not isinstance(table, dict):
        raise Mistake("", "an instance is a table, such as [shop]")
    if not NAME.fullmatch(name):
        raise Mistake("", "a name has letters, digits, '_' and '-', at most 64")
    kind = _text(table, "kind")
    if kind not in KINDS:
        raise Mistake("kind", "unknown kind", f"one of {', '.join(KINDS)}")
    _known(table, INSTANCE_KEYS[kind], "")
    root = Path(_text(table, "root"))
    if not root.is_absolute():
        raise Mistake("root", "is not an absolute path")
    common: dict[str, Any] = {
        "queue": _queue(table),
        "state": _within(root, _text(table, "state", default="data" if kind == "tacacs" else "."), "state"),
        "hooks": _hooks(table),
        "hook_timeout": _hook_timeout(table),
        "watch": _flag(table, "watch", default=True),
        "drill_every_days": _drill_every_days(table),
        "backup": _declared(table.get("backup", {})),
    }
    if kind == "tacacs":
        return Instance(
            name,
            kind,
            root,
            config=_config(root, table),
            optional=_optional(table),
            databases=_databases(root, table),
            environment_file=_environment_file(table),
            **common,
        )
    return Instance(name, kind, root, components=_components(root, table), **common)


def _queue(table: Mapping[str, Any]) -> str:
    queue = _text(table, "queue", default="")
    if queue and not NAME.fullmatch(queue):
        raise Mistake("queue", "is not the name of a queue", "letters, digits, '_' and '-', at most 64")
    return queue


def _flag(table: Mapping[str, Any], key: str, *, default: bool, prefix: str = "") -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise Mistake(prefix + key, "must be true or false")
    return value


def _drill_every_days(table: Mapping[str, Any]) -> int | None:
    days = table.get("drill_every_days")
    if days is not None and (not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= MOST_DRILL_DAYS):
        raise Mistake("drill_every_days", f"must be a number of days between 0 and {MOST_DRILL_DAYS}", "0: never")
    return days


def _declared(table: Any, name: str = "backup") -> dict[str, dict[str, str]]:
    """Return the nested ``backup`` table as flat sections, every value as text, as a configuration file has them."""
    if not isinstance(table, dict):
        raise Mistake(name, "is a table")
    own = {key: value for key, value in table.items() if not isinstance(value, dict)}
    if any(isinstance(value, list) for value in own.values()):
        raise Mistake(name, "has a list where one value is expected")
    sections = {
        name: {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in own.items()}
    }
    for key, value in table.items():
        if isinstance(value, dict):
            sections |= _declared(value, f"{name}.{key}")
    return sections


def _hooks(table: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    hooks = table.get("hooks", {})
    if not isinstance(hooks, dict):
        raise Mistake("hooks", "is a table, such as [shop.hooks]")
    _known(hooks, {*HOOKS, "timeout"}, "hooks.")
    for name, argv in hooks.items():
        if name != "timeout" and not (isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv)):
            raise Mistake(
                f"hooks.{name}", "must be a list of words: the program and its arguments", "there is no shell"
            )
    return {name: tuple(argv) for name, argv in hooks.items() if name != "timeout"}


def _hook_timeout(table: Mapping[str, Any]) -> int:
    timeout = table.get("hooks", {}).get("timeout", HOOK_TIMEOUT_SECONDS)
    if not isinstance(timeout, int) or isinstance(timeout, bool) or not 1 <= timeout <= 86_400:
        raise Mistake("hooks.timeout", "must be a number of seconds between 1 and 86400")
    return timeout


def _config(root: Path, table: Mapping[str, Any]) -> str:
    config = _text(table, "config")
    return config if config.startswith(("https://", "http://")) else str(_within(root, config, "config"))


def _within(root: Path, path: str, key: str) -> Path:
    try:
        return confined(root, path, name="it")
    except ComponentError as error:
        raise Mistake(key, error.message, error.hint) from error


def _optional(table: Mapping[str, Any]) -> frozenset[str]:
    value = table.get("optional", [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Mistake("optional", "must be a list of component names")
    for number, name in enumerate(value, 1):
        if name not in TACACS_OPTIONAL:
            raise Mistake("optional", f"component {number} is unknown", f"some of {', '.join(TACACS_OPTIONAL)}")
    return frozenset(value)


def _databases(root: Path, table: Mapping[str, Any]) -> dict[str, Path]:
    databases = table.get("databases", {})
    if not isinstance(databases, dict):
        raise Mistake("databases", "is a table, such as [hq.databases]")
    _known(databases, set(TACACS_OPTIONAL), "databases.")
    return {name: _within(root, _text(databases, name, prefix="databases."), f"databases.{name}") for name in databases}


def _environment_file(table: Mapping[str, Any]) -> Path | None:
    if not (text := _text(table, "environment_file", default="")):
        return None
    if not Path(text).is_absolute():
        raise Mistake("environment_file", "is not an absolute path")
    return Path(text)


def _components(root: Path, table: Mapping[str, Any]) -> tuple[ComponentSpec, ...]:
    tables = table.get("components")
    if not isinstance(tables, dict) or not tables:
        raise Mistake("components", "a generic instance has at least one component")
    seen: dict[str, str] = {}
    specs = []
    for name, component in tables.items():
        key = f"components.{name}"
        if (other := seen.setdefault(name.casefold(), name)) != name:
            raise Mistake(key, f"duplicate name: it differs from {other!r} in upper and lower case only")
        specs.append(_component(root, name, component, key))
    return tuple(specs)


def _component(root: Path, name: str, table: Any, key: str) -> ComponentSpec:
    if not isinstance(table, dict):
        raise Mistake(key, "a component is a table, such as [shop.components.orders]")
    if not NAME.fullmatch(name) or name.startswith("-") or name.casefold() in RESERVED_COMPONENTS:
        raise Mistake(key, f"{name!r} is not a name for a component", "letters, digits, '_' and '-'; not 'manifest'")
    _known(table, COMPONENT_KEYS, key + ".")
    kind = _text(table, "kind", prefix=key + ".")
    if kind not in COMPONENT_KINDS:
        raise Mistake(f"{key}.kind", "unknown kind", f"one of {', '.join(COMPONENT_KINDS)}")
    path = _within(root, _text(table, "path", prefix=key + "."), f"{key}.path")
    return ComponentSpec(name, kind, path, _flag(table, "optional", default=False, prefix=key + "."))


def _known(table: Mapping[str, Any], known: set[str], prefix: str) -> None:
    for key in table:
        if key not in known:
            raise Mistake(prefix + key, "unknown key", f"one of {', '.join(sorted(known))}")


def _text(table: Mapping[str, Any], key: str, *, prefix: str = "", default: str | None = None) -> str:
    value = table.get(key, default)
    if value is None:
        raise Mistake(prefix + key, "is missing")
    if not isinstance(value, str) or (not value and default is None):
        raise Mistake(prefix + key, "must be a text that is not empty")
    if "\0" in value:
        raise Mistake(prefix + key, "must not hold a null character")
    return value
