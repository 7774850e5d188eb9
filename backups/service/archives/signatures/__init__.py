"""Signatures of archives: `files` has the file beside an archive, `verdict` says what it proves."""

from backups.service.archives.signatures.files import (
    delete_signature,
    lost_keys,
    put_signature,
    read_signature,
    read_signature_file,
    record_key_use,
    signature_text,
    signature_to_download,
    site_key,
    store_signature,
    trusted_keys,
)
from backups.service.archives.signatures.verdict import (
    ACCEPT_HINT,
    Accepted,
    Signature,
    State,
    check_signature,
    require_signature,
    signature_of_fetched,
    signature_state,
)

__all__ = [
    "ACCEPT_HINT",
    "Accepted",
    "Signature",
    "State",
    "check_signature",
    "delete_signature",
    "lost_keys",
    "put_signature",
    "read_signature",
    "read_signature_file",
    "record_key_use",
    "require_signature",
    "signature_of_fetched",
    "signature_state",
    "signature_text",
    "signature_to_download",
    "site_key",
    "store_signature",
    "trusted_keys",
]
