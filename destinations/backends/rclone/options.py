"""The options of an rclone destination."""

import re

from django import forms

from destinations.exceptions import DestinationConfigError
from destinations.lib.operator_error import sentences

TYPE = "rclone"
# the name of a remote as `rclone config` takes it; a connection string (":sftp,pass=...:") is none, which would put
# secrets on the command line of a process
_REMOTE = re.compile(r"(?P<name>[A-Za-z0-9_.+@][A-Za-z0-9_.+@ -]*):(?P<path>.*)")


def fields() -> dict[str, forms.Field]:
    return {
        "remote": forms.CharField(
            label="Remote and folder",
            max_length=1024,
            help_text="A remote that `rclone config` knows and a folder in it, such as 'nas:backups/site'.",
        ),
        "config_file": forms.CharField(
            label="Configuration file",
            required=False,
            max_length=1024,
            help_text="The rclone.conf that has the remote; blank takes that of the user who runs this site, or what "
            "the variables RCLONE_CONFIG... say.",
        ),
        "config_password": forms.CharField(
            label="Password of the configuration file",
            required=False,
            strip=False,
            max_length=4096,
            help_text="Where the file is encrypted ('Set configuration password' of `rclone config`).",
        ),
    }


def check(options: dict[str, object]) -> dict[str, object]:
    """Return `options`, normalised. Raises `DestinationConfigError`; nothing is read or connected to."""
    remote, file = str(options["remote"]), str(options["config_file"] or "")
    found = _REMOTE.fullmatch(remote)
    if found is None:
        raise _wrong(
            "remote",
            "it does not begin with the name of a remote and a colon.",
            "Make a remote with `rclone config`, and give it as 'name:folder'.",
        )
    path = re.sub("/+", "/", found["path"])
    parts = path.split("/")
    if ".." in parts or "." in parts or not path.isprintable() or not path.strip("/ "):
        raise _wrong("remote", "it names no folder.", "Give archives a folder of their own, as 'name:folder'.")
    if file and not file.startswith("/"):
        raise _wrong("config_file", "it is not absolute.", "Give the full path of the file.")
    return options | {"remote": f"{found['name']}:{path.rstrip('/')}"}


def _wrong(option: str, reason: str, hint: str) -> DestinationConfigError:
    message = sentences(f"The option {option!r} of a destination of type {TYPE!r} is wrong: {reason}")
    return DestinationConfigError(message, hint, option)
