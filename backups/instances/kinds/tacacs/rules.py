"""Validating a configuration by the TACACS+ server's own rules."""

import re
from collections.abc import Iterator

from backups.instances.kinds.layers import Configuration

REQUIRED_SECTIONS = ("server", "auth", "security")
BACKENDS = ("local", "ldap", "okta", "radius")
STRATEGIES = ("simple", "gfs", "hanoi")
INSTANCE_NAME = re.compile(r"[A-Za-z0-9_-]+")
# section, key, lowest, highest (None: no bound), whole number, required
RANGES: tuple[tuple[str, str, float, float | None, bool, bool], ...] = (
    ("server", "port", 1, 65535, True, True),
    ("server", "max_connections", 1, 1000, True, False),
    ("server", "socket_timeout", 1, None, False, False),
    ("auth", "local_auth_cache_ttl_seconds", 0, 3600, True, False),
    ("auth", "backend_timeout", 0.1, 30, False, False),
    ("security", "max_auth_attempts", 0, None, True, False),
    ("security", "auth_timeout", 0, None, True, False),
    ("backup", "default_retention_days", 1, 3650, True, False),
    ("backup", "compression_level", 1, 9, True, False),
    ("backup", "gfs_keep_daily", 1, None, True, False),
    ("backup", "gfs_keep_weekly", 1, None, True, False),
    ("backup", "gfs_keep_monthly", 1, None, True, False),
    ("backup", "gfs_keep_yearly", 0, None, True, False),
)
RADIUS_RANGES = (
    ("radius_auth", "radius_port", 1, 65535, True, False),
    ("radius_auth", "radius_timeout", 1, 60, True, False),
    ("radius_auth", "radius_retries", 0, 10, True, False),
)
# by backend: its section, and the keys that must not be empty
BACKEND_NEEDS = {
    "ldap": ("ldap", ("server", "base_dn")),
    "okta": ("okta", ("org_url",)),
    "radius": ("radius_auth", ("radius_server", "radius_secret")),
}
SHORTEST_RADIUS_SECRET = 8


def findings(configuration: Configuration) -> list[str]:
    """Return the violations, in a few words each, which never quote secrets; empty when the server would start."""
    found = [f"section [{name}] is missing" for name in REQUIRED_SECTIONS if name not in configuration]
    for section, key in (("server", "host"), ("auth", "local_auth_db")):
        if section in configuration and not configuration[section].get(key):
            found.append(f"[{section}] {key} is not set")
    found += [text for rule in RANGES for text in _range(configuration, *rule)]
    found += _backends(configuration)
    strategy = configuration.get("backup", {}).get("default_retention_strategy", "simple")
    if strategy not in STRATEGIES:
        found.append(f"[backup] default_retention_strategy is not one of {', '.join(STRATEGIES)}")
    name = configuration.get("server", {}).get("instance_name")
    if name and not INSTANCE_NAME.fullmatch(name):
        found.append("[server] instance_name may have letters, digits, '_' and '-' only")
    return found


def _range(
    configuration: Configuration, section: str, key: str, low: float, high: float | None, whole: bool, required: bool
) -> Iterator[str]:
    value = configuration.get(section, {}).get(key)
    if value is None:
        if required and section in configuration:
            yield f"[{section}] {key} is not set"
        return
    try:
        number = int(value) if whole else float(value)
    except ValueError:
        yield f"[{section}] {key} is not a {'whole ' if whole else ''}number"
        return
    if not (low <= number <= (high if high is not None else float("inf"))):
        yield f"[{section}] {key} is not {f'between {low} and {high}' if high is not None else f'{low} or more'}"


def _backends(configuration: Configuration) -> Iterator[str]:
    if "auth" not in configuration:
        return
    backends = [name.strip() for name in configuration["auth"].get("backends", "").split(",") if name.strip()]
    if not backends:
        yield "[auth] backends names no backend"
    for number, backend in enumerate(backends, 1):
        if backend not in BACKENDS:
            yield f"[auth] backends: backend {number} is not one of {', '.join(BACKENDS)}"
        elif backend in BACKEND_NEEDS:
            section, keys = BACKEND_NEEDS[backend]
            if section not in configuration:
                yield f"[auth] backends names {backend}, but section [{section}] is missing"
                continue
            yield from (f"[{section}] {key} is not set" for key in keys if not configuration[section].get(key))
            if backend == "radius":
                secret = configuration[section].get("radius_secret", "")
                if secret and len(secret) < SHORTEST_RADIUS_SECRET:
                    yield f"[radius_auth] radius_secret is shorter than {SHORTEST_RADIUS_SECRET} characters"
                for rule in RADIUS_RANGES:
                    yield from _range(configuration, *rule)
