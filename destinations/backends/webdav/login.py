"""Logins of HTTP: basic, digest (RFC 7616) and bearer tokens."""

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Callable
from email.message import Message
from urllib.request import parse_http_list, parse_keqv_list


def _md5(text: str) -> str:
    # the protocol says so; nothing is kept safe by it but the password on a way without TLS
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_ALGORITHMS: dict[str, Callable[[str], str]] = {"SHA-256": _sha256, "MD5": _md5}


class Login:
    """Makes the header of each request. Without TLS a password is not sent before the server was asked for digest."""

    def __init__(self, username: str, password: str, token: str, *, encrypted: bool) -> None:
        self._username, self._password, self._token = username, password, token
        self._scheme = "bearer" if token else "basic" if encrypted else ""
        self._challenge: dict[str, str] = {}
        self._count = 0

    def header(self, method: str, target: str) -> str:
        if self._scheme == "bearer":
            return f"Bearer {self._token}"
        if self._scheme == "basic":
            return f"Basic {b64encode(f'{self._username}:{self._password}'.encode()).decode()}"
        return self._digest(method, target) if self._scheme == "digest" else ""

    def learn(self, headers: Message) -> bool:
        """Take the challenge of an answer 401; return whether another try with it may succeed."""
        if self._scheme == "bearer":
            return False
        challenges = [value.strip() for value in headers.get_all("WWW-Authenticate", [])]
        offered = [
            found
            for value in challenges
            if value.lower().startswith("digest ") and (found := _parse(value)) is not None
        ]
        # the strongest that both know
        offered.sort(key=lambda challenge: list(_ALGORITHMS).index(challenge["algorithm"]))
        if offered:
            stale = offered[0].get("stale", "").lower() == "true"
            tried, self._scheme = self._scheme, "digest"
            self._challenge, self._count = offered[0], 0
            return tried != "digest" or stale
        if any(value.lower().startswith("basic") for value in challenges) and self._scheme == "":
            self._scheme = "basic"
            return True
        return False

    def _digest(self, method: str, target: str) -> str:
        challenge, hashed = self._challenge, _ALGORITHMS[self._challenge["algorithm"]]
        self._count += 1
        count, own = f"{self._count:08x}", secrets.token_hex(16)
        secret = hashed(f"{self._username}:{challenge['realm']}:{self._password}")
        what = hashed(f"{method}:{target}")
        fields = {"username": self._username, "realm": challenge["realm"], "nonce": challenge["nonce"], "uri": target}
        if "qop" in challenge:
            fields["response"] = hashed(f"{secret}:{challenge['nonce']}:{count}:{own}:auth:{what}")
        else:
            fields["response"] = hashed(f"{secret}:{challenge['nonce']}:{what}")
        if "opaque" in challenge:
            fields["opaque"] = challenge["opaque"]
        parts = [f'{name}="{_escaped(value)}"' for name, value in fields.items()]
        if "qop" in challenge:
            parts += ["qop=auth", f"nc={count}", f'cnonce="{own}"']
        return f"Digest {', '.join(parts)}, algorithm={challenge['algorithm']}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _parse(value: str) -> dict[str, str] | None:
    """Return the fields of a challenge that this module can answer, else None."""
    try:
        fields = parse_keqv_list(parse_http_list(value.partition(" ")[2]))
    except (ValueError, IndexError):
        return None
    fields = {name.lower(): text for name, text in fields.items()}
    fields["algorithm"] = fields.get("algorithm", "MD5").upper()
    ways = [way.strip() for way in fields.get("qop", "auth").split(",")]
    known = fields["algorithm"] in _ALGORITHMS and "auth" in ways
    return fields if known and {"realm", "nonce"} <= fields.keys() else None
