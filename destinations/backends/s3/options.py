"""The options of the type `s3`; their names are those of S3Storage of django-storages where it has them."""

import base64
import binascii
import hashlib
import re

from django import forms

from destinations.backends.base.lock_options import check_locks, lock_fields
from destinations.exceptions import DestinationConfigError
from destinations.network.endpoint_options import endpoint_problem
from destinations.transfer.paths import validate_prefix

STRICT = "COMPLIANCE"
LOCK_MODES = {
    STRICT: "no account can shorten or remove a lock.",
    "GOVERNANCE": "an account with a special right can.",
}
# answer only hours after a request
COLD = frozenset({"GLACIER", "DEEP_ARCHIVE"})
TYPE = "s3"


def option_fields() -> dict[str, forms.Field]:
    def text(label: str, help_text: str, *, required: bool = False, longest: int = 200) -> forms.CharField:
        return forms.CharField(label=label, help_text=help_text, required=required, max_length=longest)

    def choice(label: str, help_text: str, *choices: tuple[str, str], initial: str = "") -> forms.ChoiceField:
        return forms.ChoiceField(label=label, help_text=help_text, required=False, choices=choices, initial=initial)

    return {
        "bucket_name": text("Bucket", "It has to exist.", required=True, longest=63),
        "location": text("Folder", "Prefix of all names, such as backups/site-1; blank for the whole bucket."),
        "endpoint_url": text("Endpoint", "Address of a compatible store, such as https://s3.example.org; blank: AWS."),
        "region_name": text("Region", "Such as eu-central-1.", longest=50),
        "access_key": text("Access key", "Blank: from the environment, a profile or the role of this machine."),
        "secret_key": text("Secret key", "Of the access key."),
        "security_token": text("Security token", "Of temporary keys, which expire.", longest=8000),
        "session_profile": text("Profile", "Section of ~/.aws with the keys, instead of keys here."),
        "addressing_style": choice(
            "Addressing",
            "How the bucket is named in addresses. Path is what most compatible stores know.",
            ("", "automatic"),
            ("path", "path"),
            ("virtual", "virtual host"),
        ),
        "signature_version": choice(
            "Signature", "Version 2 is for old compatible stores.", ("", "version 4"), ("s3", "version 2")
        ),
        "verify": text(
            "Authorities", "File of the certificates to trust, in PEM; blank: those of the system.", longest=500
        ),
        "checksum": choice(
            "Checksum",
            "Of each part, compared by the store. MD5 is for compatible stores that refuse SHA-256.",
            ("sha256", "SHA-256"),
            ("md5", "MD5"),
            initial="sha256",
        ),
        "storage_class": text("Storage class", "Such as STANDARD_IA; blank: that of the bucket.", longest=50),
        "server_side_encryption": choice(
            "Encryption by the store",
            "Beside the encryption of the archives.",
            ("", "as the bucket says"),
            ("AES256", "SSE-S3"),
            ("aws:kms", "SSE-KMS"),
            ("customer", "SSE-C, with the key below"),
        ),
        "kms_key_id": text("KMS key", "For SSE-KMS; blank: the key of the account."),
        "customer_key": text("Key of SSE-C", "32 bytes in Base64. Without it nothing there can be read."),
        **lock_fields("The bucket needs object lock.", LOCK_MODES),
    }


def check(options: dict[str, object]) -> dict[str, object]:
    """Return `options` normalised. Raises `DestinationConfigError`."""
    given = {name: "" if value is None else str(value) for name, value in options.items()}
    location = given["location"].strip("/")
    _require("location", _is_prefix(location), "It is a folder such as backups/site-1.")
    _require(
        "bucket_name",
        re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", given["bucket_name"]) is not None,
        "It has 3 to 63 letters, digits, dots and hyphens.",
    )
    problem = endpoint_problem(given["endpoint_url"]) if given["endpoint_url"] else ""
    _require("endpoint_url", not problem, problem)
    _require(
        "verify",
        given["verify"].lower() not in {"false", "no", "0"},
        "Certificates are always verified: give the file of the authority that signed that of the store.",
    )
    _require("secret_key", bool(given["access_key"]) == bool(given["secret_key"]), "It goes with access_key.")
    _require("storage_class", given["storage_class"] not in COLD, "Archives there could not be verified or restored.")
    _check_encryption(given)
    check_locks(TYPE, options)
    return options | {
        "location": location,
        "endpoint_url": given["endpoint_url"].rstrip("/"),
        "lock_mode": given["lock_mode"] or next(iter(LOCK_MODES)),
    }


def customer_headers(options: dict[str, object]) -> dict[str, str]:
    """Return what goes with every request about the bytes of a file where the store encrypts with a key of ours.

    In the form of the protocol: botocore converts the key for some requests only.
    """
    if options["server_side_encryption"] != "customer":
        return {}
    key = base64.b64decode(str(options["customer_key"]), validate=True)
    digest = hashlib.md5(key, usedforsecurity=False).digest()
    return {
        "SSECustomerAlgorithm": "AES256",
        "SSECustomerKey": base64.b64encode(key).decode(),
        "SSECustomerKeyMD5": base64.b64encode(digest).decode(),
    }


def _check_encryption(given: dict[str, str]) -> None:
    kind = given["server_side_encryption"]
    _require("kms_key_id", not given["kms_key_id"] or kind == "aws:kms", "It is for SSE-KMS only.")
    _require("customer_key", bool(given["customer_key"]) == (kind == "customer"), "It goes with SSE-C.")
    if kind != "customer":
        return
    try:
        fits = len(base64.b64decode(given["customer_key"], validate=True)) == 32
    except binascii.Error:
        fits = False
    _require("customer_key", fits, "It is 32 bytes in Base64.")
    _require("endpoint_url", not given["endpoint_url"].startswith("http://"), "SSE-C sends its key: it needs https.")


def _is_prefix(location: str) -> bool:
    try:
        validate_prefix(location)
    except DestinationConfigError:
        return False
    return True


def _require(option: str, holds: bool, hint: str) -> None:
    if not holds:
        raise DestinationConfigError(f"The option {option!r} of a destination of type {TYPE!r} is wrong.", hint, option)
