"""The options of the type `gcs`; their names are those of GoogleCloudStorage of django-storages."""

import json
import re

from django import forms

from destinations.backends.base.lock_options import check_locks, lock_fields
from destinations.exceptions import DestinationConfigError
from destinations.network.endpoint_options import endpoint_problem
from destinations.transfer.paths import validate_prefix

ENDPOINT = "https://storage.googleapis.com"
TYPE = "gcs"
STRICT = "Locked"
LOCK_MODES = {
    STRICT: "no account can shorten or remove a lock.",
    "Unlocked": "an account with a special right can.",
}


def option_fields() -> dict[str, forms.Field]:
    return {
        "bucket_name": forms.CharField(label="Bucket", max_length=222, help_text="It has to exist."),
        "location": forms.CharField(
            label="Folder",
            required=False,
            max_length=200,
            help_text="Prefix of all names, such as backups/site-1; blank for the whole bucket.",
        ),
        "credentials": forms.CharField(
            label="Credentials",
            required=False,
            max_length=20_000,
            widget=forms.Textarea({"rows": 6}),
            help_text="JSON of the key file of a service account; blank: the service account of this machine.",
        ),
        "project_id": forms.CharField(
            label="Project",
            required=False,
            max_length=63,
            help_text="Only for a bucket whose requests are paid by another project.",
        ),
        "custom_endpoint": forms.CharField(
            label="Endpoint", required=False, max_length=200, help_text=f"Blank: {ENDPOINT}."
        ),
        **lock_fields("The bucket needs object retention.", LOCK_MODES),
    }


def check(options: dict[str, object]) -> dict[str, object]:
    """Return `options` normalised. Raises `DestinationConfigError`."""
    location = str(options["location"]).strip("/")
    endpoint = str(options["custom_endpoint"]).rstrip("/")
    problem = endpoint_problem(endpoint) if endpoint else ""
    for option, holds, hint in (
        (
            "bucket_name",
            re.fullmatch(r"[a-z0-9][a-z0-9._-]+[a-z0-9]", str(options["bucket_name"])),
            "See its page.",
        ),
        ("location", _is_prefix(location), "It is a folder such as backups/site-1."),
        ("credentials", not options["credentials"] or _is_object(str(options["credentials"])), "It is JSON."),
        ("custom_endpoint", not problem, problem),
        ("project_id", re.fullmatch(r"[a-z0-9.:-]*", str(options["project_id"])), "It is the id of a project."),
    ):
        if not holds:
            raise DestinationConfigError(
                f"The option {option!r} of a destination of type {TYPE!r} is wrong.", hint, option
            )
    check_locks(TYPE, options)
    mode = options["lock_mode"] or next(iter(LOCK_MODES))
    return options | {"location": location, "custom_endpoint": endpoint, "lock_mode": mode}


def _is_prefix(location: str) -> bool:
    try:
        validate_prefix(location)
    except DestinationConfigError:
        return False
    return True


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
