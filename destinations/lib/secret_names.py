"""What counts as the name of a secret: one list for redaction, masking and the environment of programs.

Plain Python. Names come from strangers' texts too, so each pattern is linear in the length of its text.
"""

import re

# anywhere in a name: db_password, tokens, PRIVATE-KEY-PEM
WORDS = (
    "password", "passwd", "passphrase", "passcode", "secret", "token", "hash", "private[-_]?key", "api[-_]?key",
    "access[-_]?key", "shared[-_]?key", "credential", "authorization", "cookie",
)  # fmt: skip
# as the last word of a name: tacacs_key, but not key_size
LAST_WORDS = ("key", "pass", "psk", "pwd", "auth")
# a setting about a secret holds none
HARMLESS_ENDINGS = ("endpoint", "algorithm", "ttl", "seconds")
# what the variables of this site begin with
OWN_VARIABLES = ("BACKUP_", "DATABASE_URL", "SECRET_KEY", "Q_REDIS")

_WORDS, _LAST = "|".join(WORDS), "|".join(LAST_WORDS)
# where in a text a name stands, from the word in it that counts; "the key: ..." is prose, "tacacs_key: ..." is a name
IN_TEXT = rf"(?:(?:{_WORDS})[\w.-]*+|(?<=[-_])(?:{_LAST})(?![\w.-]))"
# the option of a program, from the hyphen before that word; "foreign-key checks" is prose
OPTION = rf"(?:-(?:{_WORDS})|(?<![\w-])-{{1,2}}(?:[\w-]{{0,64}}-)?(?:{_LAST}))(?![\w.-])"
_NAME = re.compile(rf"(?:{_WORDS})|(?:^|[-_])(?:{_LAST})$", re.IGNORECASE)
_HARMLESS = re.compile(rf"_(?:{'|'.join(HARMLESS_ENDINGS)})$", re.IGNORECASE)
# a program gets rather too little: PGPASSFILE and SSH_KEY_PATH lead to a secret
_LEADS_TO_SECRET = re.compile("pass|identity|_key", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Return whether what a key of this `name` holds is a secret."""
    return bool(_NAME.search(name)) and not _HARMLESS.search(name)


def is_own_variable(name: str) -> bool:
    """Return whether the environment variable `name` is a setting of this site."""
    return name.startswith(OWN_VARIABLES)


def is_private_variable(name: str) -> bool:
    """Return whether the environment variable `name` is for this site only: its setting, a secret, or a way to one."""
    # PWD is the working directory of a shell
    return name != "PWD" and bool(is_own_variable(name) or _NAME.search(name) or _LEADS_TO_SECRET.search(name))
