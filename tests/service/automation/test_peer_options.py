"""Every option of a destination of the TACACS+ server works when a service declares it, or is refused by its name."""

import pytest

from backups.instances.declaration import Declaration
from backups.service.automation.declared import fill_destination, problems_of
from destinations.backends import destination_class
from destinations.models import BackupDestination

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGLjMMRRBjsbfVjBcy2KEXPAvGGkYXFVDbEIN6DPqLGh"
# what is declared besides, so that nothing else is wrong
WHOLE = {
    "local": {"path": "site"},
    "sftp": {"host": "nas.example.org", "username": "backup", "password": "secret", "host_key": KEY},
    "ftp": {"host": "nas.example.org", "username": "backup", "password": "secret"},
    "azure": {"account_name": "site", "account_key": "c2VjcmV0", "azure_container": "backups"},
}
# the option names of that server and a value of each
PEER = {
    "local": {"base_path": "backups", "allowed_root": "/srv"},
    "sftp": {
        "host": "h.example.org", "port": "2222", "username": "me", "authentication": "password", "password": "s3",
        "private_key": "/etc/key", "private_key_passphrase": "s3cret", "base_path": "/srv/b", "timeout": "30",
        "host_key_verify": "true", "known_hosts_file": "/etc/known_hosts", "local_root": "/srv",
    },
    "ftp": {
        "host": "h.example.org", "port": "2121", "username": "me", "password": "s3", "base_path": "/srv/b",
        "use_tls": "true", "passive": "true", "verify_ssl": "true", "timeout": "30", "local_root": "/srv",
    },
    "azure": {
        "connection_string": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0", "account_name": "a",
        "account_key": "c2VjcmV0", "sas_token": "sv=1&sig=x", "use_managed_identity": "true",
        "container_name": "backups", "base_path": "b", "endpoint_suffix": "core.windows.net", "max_concurrency": "4",
        "timeout": "300", "default_metadata": '{"a": "b"}', "default_tags": '{"a": "b"}',
    },
}  # fmt: skip
# what is to be written in their place, or done with them
REPLACED = {
    ("local", "base_path"): "path", ("local", "allowed_root"): "Leave it out", ("sftp", "local_root"): "Leave it out",
    ("ftp", "local_root"): "Leave it out", ("azure", "container_name"): "azure_container",
    ("azure", "base_path"): "location",
}  # fmt: skip
# of two keys that exclude each other, the one that the whole section has
INSTEAD = {
    "known_hosts_file": ["host_key"],
    "connection_string": ["account_name", "account_key"],
    "sas_token": ["account_key"],
    "use_managed_identity": ["account_key"],
}


def declared(kind: str, key: str, value: str) -> Declaration:
    section = {"type": kind, **WHOLE[kind], key: value}
    return Declaration({}, {"there": {name: section[name] for name in section if name not in INSTEAD.get(key, ())}}, {})


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind, keys in PEER.items() for key in keys])
def test_each_option_of_that_server_is_honoured_or_named_with_what_replaces_it(kind: str, key: str) -> None:
    declaration = declared(kind, key, PEER[kind][key])
    problems = problems_of(declaration)
    if (instead := REPLACED.get((kind, key))) is not None:
        (problem,) = problems
        assert problem.startswith("[backup.destinations.there]: ")
        assert key in problem and instead in problem
        return
    assert problems == []
    row = BackupDestination(name="there")
    fill_destination(row, "there", declaration)
    assert key in row.options() or key in destination_class(kind).foreign_options


@pytest.mark.parametrize(("kind", "key"), [("sftp", "host_key_verify"), ("ftp", "verify_ssl")])
def test_an_option_that_would_trust_any_server_is_refused_by_its_name(kind: str, key: str) -> None:
    (problem,) = problems_of(declared(kind, key, "false"))
    assert key in problem


def test_order_and_reading_budget_are_declared_too_and_a_wrong_number_is_named() -> None:
    row = BackupDestination(name="there")
    section = {"type": "local", "path": "site", "position": "4", "daily_read_mb": "250"}
    fill_destination(row, "there", Declaration({}, {"there": section}, {}))
    assert (row.position, row.daily_read_mb) == (4, 250)
    (problem,) = problems_of(Declaration({}, {"there": section | {"daily_read_mb": "1 GB"}}, {}))
    assert "daily_read_mb" in problem
