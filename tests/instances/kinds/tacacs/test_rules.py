"""When the server would start with a configuration, and when it would not."""

import pytest

from backups.instances.kinds.layers import Configuration
from backups.instances.kinds.tacacs.rules import findings

VALID = {
    "server": {"host": "0.0.0.0", "port": "49"},  # noqa: S104
    "auth": {"backends": "local", "local_auth_db": "data/local_auth.db"},
    "security": {},
}
RADIUS = {"radius_server": "192.0.2.1", "radius_secret": "eight ch"}


def with_values(**sections: dict[str, str]) -> Configuration:
    """Return the valid configuration with these values over it."""
    names = dict.fromkeys([*VALID, *sections])
    return {name: VALID.get(name, {}) | sections.get(name, {}) for name in names}


def test_the_smallest_valid_configuration_has_no_findings() -> None:
    assert findings(VALID) == []


@pytest.mark.parametrize("section", ["server", "auth", "security"])
def test_a_required_section_is_missed(section: str) -> None:
    without = {name: values for name, values in VALID.items() if name != section}
    assert findings(without) == [f"section [{section}] is missing"]


LIMITS = [
    ("server", "port", "1", "65535", "0", "65536", "is not between 1 and 65535"),
    ("server", "max_connections", "1", "1000", "0", "1001", "is not between 1 and 1000"),
    ("server", "socket_timeout", "1", "99999", "0.9", "-1", "is not 1 or more"),
    ("auth", "local_auth_cache_ttl_seconds", "0", "3600", "-1", "3601", "is not between 0 and 3600"),
    ("auth", "backend_timeout", "0.1", "30", "0.09", "30.1", "is not between 0.1 and 30"),
    ("security", "max_auth_attempts", "0", "99", "-1", "-2", "is not 0 or more"),
    ("security", "auth_timeout", "0", "99999", "-1", "-2", "is not 0 or more"),
    ("backup", "default_retention_days", "1", "3650", "0", "3651", "is not between 1 and 3650"),
    ("backup", "compression_level", "1", "9", "0", "10", "is not between 1 and 9"),
    ("backup", "gfs_keep_daily", "1", "99", "0", "-1", "is not 1 or more"),
    ("backup", "gfs_keep_weekly", "1", "99", "0", "-1", "is not 1 or more"),
    ("backup", "gfs_keep_monthly", "1", "99", "0", "-1", "is not 1 or more"),
    ("backup", "gfs_keep_yearly", "0", "99", "-1", "-2", "is not 0 or more"),
]


@pytest.mark.parametrize(("section", "key", "low", "high", "below", "above", "finding"), LIMITS)
def test_a_number_is_held_to_its_limits(
    section: str, key: str, low: str, high: str, below: str, above: str, finding: str
) -> None:
    for value in (low, high):
        assert findings(with_values(**{section: {key: value}})) == []
    for value in (below, above):
        assert findings(with_values(**{section: {key: value}})) == [f"[{section}] {key} {finding}"]


@pytest.mark.parametrize(("value", "finding"), [("x", "is not a whole number"), ("1.5", "is not a whole number")])
def test_a_whole_number_is_wanted(value: str, finding: str) -> None:
    assert findings(with_values(server={"port": value})) == [f"[server] port {finding}"]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "soon"])
def test_what_is_no_number_of_seconds_is_found(value: str) -> None:
    assert len(findings(with_values(auth={"backend_timeout": value}))) == 1
    assert len(findings(with_values(server={"socket_timeout": value}))) == (0 if value == "inf" else 1)


def test_what_must_be_set_is_missed() -> None:
    empty = {"server": {}, "auth": {}, "security": {}}
    assert findings(empty) == [
        "[server] host is not set",
        "[auth] local_auth_db is not set",
        "[server] port is not set",
        "[auth] backends names no backend",
    ]


def test_an_unknown_backend_is_found() -> None:
    assert findings(with_values(auth={"backends": "local, kerberos"})) == [
        "[auth] backends: backend 2 is not one of local, ldap, okta, radius"
    ]


@pytest.mark.parametrize(
    ("backend", "section", "keys"),
    [
        ("ldap", "ldap", {"server": "ldap://x", "base_dn": "dc=x"}),
        ("okta", "okta", {"org_url": "https://x"}),
        ("radius", "radius_auth", RADIUS),
    ],
)
def test_a_backend_needs_its_section_and_its_keys(backend: str, section: str, keys: dict[str, str]) -> None:
    auth = {"backends": f"local,{backend}"}
    assert findings(with_values(auth=auth)) == [f"[auth] backends names {backend}, but section [{section}] is missing"]
    assert findings(with_values(auth=auth, **{section: keys})) == []
    for key in keys:
        lacking = keys | {key: ""}
        assert findings(with_values(auth=auth, **{section: lacking})) == [f"[{section}] {key} is not set"]


@pytest.mark.parametrize(
    ("key", "value", "finding"),
    [
        ("radius_secret", "seven c", "radius_secret is shorter than 8 characters"),
        ("radius_port", "0", "radius_port is not between 1 and 65535"),
        ("radius_timeout", "61", "radius_timeout is not between 1 and 60"),
        ("radius_retries", "11", "radius_retries is not between 0 and 10"),
    ],
)
def test_radius_is_held_to_its_limits_where_it_is_used(key: str, value: str, finding: str) -> None:
    section = RADIUS | {key: value}
    used = with_values(auth={"backends": "radius"}, radius_auth=section)
    assert findings(used) == [f"[radius_auth] {finding}"]
    assert findings(with_values(radius_auth=section)) == []


def test_a_finding_never_repeats_a_secret() -> None:
    found = findings(with_values(auth={"backends": "radius"}, radius_auth=RADIUS | {"radius_secret": "hush"}))
    assert found
    assert "hush" not in "".join(found)


def test_names_of_strategies_and_instances_are_checked() -> None:
    found = findings(with_values(backup={"default_retention_strategy": "all"}, server={"instance_name": "h q"}))
    assert found == [
        "[backup] default_retention_strategy is not one of simple, gfs, hanoi",
        "[server] instance_name may have letters, digits, '_' and '-' only",
    ]
