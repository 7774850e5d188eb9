"""What counts as the name of a secret: one list for redaction, masking and the environment of programs.

A name is compared word by word, split at `_`, `-`, `.` and where its case changes: `smtp_pass`, `bindPw` and `api-key`
count, `shipping` and `tokenizer` do not. Plain Python. Names come from untrusted texts too, so all of this is linear.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

# anywhere in a name, as a word, as the end of one or as two: db_password, dbpassword, tokens, PRIVATE-KEY-PEM, apiKey
WORDS = (
    "password", "passwd", "passphrase", "passcode", "pincode", "secret", "token", "credential", "authorization",
    "cookie", "privatekey", "apikey", "accesskey", "secretkey", "sharedkey", "encryptionkey", "signingkey",
    "sessionkey", "masterkey", "accountkey", "authkey", "privkey", "recoverycode", "backupcode", "securityanswer",
    "communitystring", "sharedaccesssignature",
)  # fmt: skip
# anywhere in a name, as a whole word only
WHOLE_WORDS = ("hash", "cred", "pwd", "psk", "jwt", "requirepass", "masterauth")
# as the last word of a name: tacacs_key, but not key_size
LAST_WORDS = ("key", "pass", "pw", "auth", "pin", "puk", "seed", "salt", "community", "otp", "totp")
# what stands in front of a short word without a sign between: dbpass, rootpw, but not bypass
JOINED = (
    "admin", "api", "auth", "bind", "db", "enable", "ftp", "http", "imap", "key", "ldap", "login", "mail", "mqtt", "my",
    "mysql", "pg", "pop", "postgres", "priv", "proxy", "radius", "redis", "root", "sa", "smb", "smtp", "snmp", "sql",
    "ssh", "store", "su", "tacacs", "trust", "user", "vnc", "vpn", "web", "wifi", "wpa",
)  # fmt: skip
# the last word of a setting about a secret, which holds none
HARMLESS_ENDINGS = (
    "age", "algorithm", "cost", "count", "days", "dir", "directory", "enabled", "endpoint", "expires", "expiry", "fd",
    "file", "folder", "format", "hours", "interval", "iterations", "length", "lifetime", "limit", "max", "min",
    "minutes", "name", "path", "policy", "required", "rounds", "seconds", "size", "timeout", "ttl", "type", "uri",
    "url", "version",
)  # fmt: skip
# in front of a key that is none to keep
NOT_SECRET_KEYS = ("public", "primary", "foreign")
# what the variables of this site begin with
OWN_VARIABLES = ("BACKUP_", "DATABASE_URL", "SECRET_KEY", "Q_REDIS")
# no name of a setting is longer; the end of one counts
LONGEST_NAME = 256

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET = re.compile(
    rf"[a-z]*(?:{'|'.join(WORDS)})(?:s|hash|hashes|value|text|string|id|key)?"
    rf"|(?:{'|'.join(WHOLE_WORDS)})s?|(?:ro|rw|trap)community"
    rf"|(?:{'|'.join(JOINED)})(?:pass|pwd|pw|psk|pin)"
)
# stricter for the environment of programs: PGPASSFILE and SSH_KEY_PATH are paths of secrets
_LEADS_TO_SECRET = re.compile("pass|identity|_key", re.IGNORECASE)

_declared: frozenset[tuple[str, ...]] = frozenset()


def declare(names: Iterable[str]) -> None:
    """Count these as names of secrets too, in this process from now on."""
    global _declared
    _declared |= {words for name in names if (words := words_of(name))}


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of `name` in lower case, without numbers."""
    return tuple(word.lower() for word in _WORD.findall(name[-LONGEST_NAME:]))


def is_secret_name(name: str) -> bool:
    """Return whether what a key of this `name` holds is a secret."""
    return _is_secret_name(name[-LONGEST_NAME:], _declared)


# a configuration is masked many times, with the same few names
@lru_cache(maxsize=4096)
def _is_secret_name(name: str, declared: frozenset[tuple[str, ...]]) -> bool:
    words = words_of(name)
    if any(words[at : at + len(own)] == own for own in declared for at in range(len(words) - len(own) + 1)):
        return True
    return _names_secret(words) and words[-1] not in HARMLESS_ENDINGS


def is_common_word(name: str) -> bool:
    """Return whether `name` is the name of a secret that ordinary sentences have too: "the key: 5", "auth: none"."""
    words = words_of(name)
    return len(words) == 1 and words[0] in (*LAST_WORDS, "secrets") and words not in _declared


def is_own_variable(name: str) -> bool:
    """Return whether the environment variable `name` is a setting of this site."""
    return name.startswith(OWN_VARIABLES)


def is_private_variable(name: str) -> bool:
    """Return whether the environment variable `name` is for this site only: its setting, a secret, or a way to one."""
    if name == "PWD":
        # the working directory of a shell
        return False
    words = words_of(name)
    return bool(is_own_variable(name) or is_secret_name(name) or _names_secret(words) or _LEADS_TO_SECRET.search(name))


def _names_secret(words: tuple[str, ...]) -> bool:
    if any(map(_SECRET.fullmatch, words)) or any(_SECRET.fullmatch(first + last) for first, last in pairwise(words)):
        return True
    if words[-2:-1] and words[-2] in NOT_SECRET_KEYS and words[-1] == "key":
        return False
    return bool(words) and words[-1] in LAST_WORDS
