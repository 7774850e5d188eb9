"""Parsing of identities and recipients, and wrapping and unwrapping of a file key with them."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from backups.archive.age import hybrid, passphrase, x25519
from backups.archive.age.bech32 import decode_bech32
from backups.archive.age.errors import AgeKeyError, AgeNoMatchError
from backups.archive.age.header import Header, Stanza
from backups.archive.age.wrapping import Identity

_CHECKS = {module.STANZA_TYPE: module.check for module in (x25519, passphrase, hybrid)}
_IDENTITY_HINT = "An identity is the line AGE-SECRET-KEY-1... of age-keygen."


def parse_identity(text: str) -> Identity:
    """Parse an identity; raises AgeKeyError whose message does not quote it."""
    try:
        prefix, secret = decode_bech32(text)
    except ValueError:
        raise AgeKeyError("An age identity is misspelt or truncated.", hint=_IDENTITY_HINT) from None
    identity = x25519.parse_identity(prefix, secret) or hybrid.parse_identity(prefix, secret)
    if identity is None or text != text.upper():
        raise AgeKeyError("An age identity is of an unknown type.", hint=_IDENTITY_HINT)
    return identity


def generate_identity() -> tuple[str, str]:
    """Return a new X25519 key as (identity, recipient); the identity is the secret."""
    text, identity = x25519.generate()
    return text, identity.recipient


def recipient_of(identity: str) -> str:
    """Return the recipient of an X25519 `identity`; raises AgeKeyError."""
    parsed = parse_identity(identity)
    if not isinstance(parsed, x25519.X25519Identity):
        raise AgeKeyError("A post-quantum age identity has no X25519 recipient.", hint=_IDENTITY_HINT)
    return parsed.recipient


def fingerprint(recipient: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of `recipient`; raises AgeKeyError.

    `printf %s age1... | sha256sum | cut -c1-16` prints the same.
    """
    x25519.parse_recipient(recipient)
    return hashlib.sha256(recipient.encode("ascii")).hexdigest()[:16]


def format_identity_file(identity: str, created: datetime) -> str:
    """Return the text of an identity file as age-keygen writes it; raises AgeKeyError."""
    moment = created.isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"# created: {moment}\n# public key: {recipient_of(identity)}\n{identity}\n"


def parse_identity_file(text: str) -> tuple[str, ...]:
    """Return the identities in the text of an age-keygen file, without comments and blank lines.

    Raises AgeKeyError that names the number of the line and quotes nothing of it.
    """
    identities = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            parse_identity(stripped)
        except AgeKeyError as error:
            raise AgeKeyError(f"Line {number} of the identity file: {error.message}", hint=error.hint) from None
        identities.append(stripped)
    if not identities:
        raise AgeKeyError("The identity file holds no identity.", hint="Make one with age-keygen.")
    return tuple(identities)


def wrap_file_key(file_key: bytes, recipients: Sequence[str], secret: str | None) -> list[Stanza]:
    """Return the stanzas for `recipients` or for the passphrase `secret`; raises AgeKeyError."""
    if isinstance(recipients, str):
        raise AgeKeyError("Recipients are a list of strings, not one string.", hint="Write it as a list.")
    if secret is not None and recipients:
        raise AgeKeyError(
            "An age file is encrypted either with a passphrase or to recipients, not both.",
            hint="Configure one of the two.",
        )
    if secret is not None:
        return [passphrase.wrap(secret, file_key)]
    if not recipients:
        raise AgeKeyError("There is no key to encrypt with.", hint="Configure a passphrase or recipients.")
    return [x25519.wrap(recipient, file_key) for recipient in dict.fromkeys(recipients)]


def unwrap_file_key(header: Header, identities: Sequence[str], secrets: Sequence[str]) -> bytes:
    """Return the file key of `header` after checking the MAC with it.

    Raises AgeKeyError, AgeHeaderError, AgeNoMatchError or AgeHeaderMacError.
    """
    if isinstance(identities, str) or isinstance(secrets, str):
        raise AgeKeyError(
            "Identities and passphrases are lists of strings, not one string.", hint="Write them as lists."
        )
    candidates: list[Identity] = [parse_identity(text) for text in identities]
    candidates += [passphrase.PassphraseIdentity(secret) for secret in secrets]
    passphrase.check_alone(header)
    # every known stanza, also those that no key is tried on: a malformed header is refused before any decryption
    for stanza in header.stanzas:
        if stanza.type in _CHECKS:
            _CHECKS[stanza.type](stanza)
    for identity in candidates:
        for stanza in header.stanzas:
            file_key = identity.unwrap(stanza) if stanza.type == identity.stanza_type else None
            if file_key is not None:
                header.check_mac(file_key)
                return file_key
    kind = "passphrase" if header.stanzas[0].type == passphrase.STANZA_TYPE else "identity"
    message = (
        f"No configured {kind} opens the age file." if candidates else "There is no key to open the age file with."
    )
    raise AgeNoMatchError(message, hint=f"Configure the {kind} that was in use when the file was written.")
