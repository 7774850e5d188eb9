"""Reading /health of a site from another machine."""

import json
from pathlib import Path
from typing import Any

from backups.outside.http import RequestFailed, ask, is_plain, require_url
from backups.outside.problem import Problem, Severity
from destinations.lib.formats import printable
from destinations.lib.operator_error import OperatorError, sentences
from destinations.lib.redaction import remember

# an answer of the site itself; others come from a proxy before it
OWN = (200, 503)
TOKEN_HINT = "Compare the token file with BACKUP_MONITORING_TOKEN of the site: docs/monitoring.md."  # noqa: S105


def read_token(path: Path) -> str:
    """Return the token in the file `path`. Raises OperatorError."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise OperatorError(f"The token file {path} cannot be read: {reason}.") from None
    if not token or not token.isprintable() or not token.isascii():
        raise OperatorError(f"The token file {path} holds no token.", "It is one line of printable ASCII.")
    remember(token)
    return token


def problems_at(url: str, *, token: str = "", seconds: float, ca_file: Path | None = None) -> list[Problem]:
    """Return what /health at `url` says is wrong, and what is wrong with its answer.

    Without a `token` an allowed address learns the status and no reason. Raises OperatorError for a bad URL.
    """
    host = require_url(url, "the site")
    if token and is_plain(url):
        raise OperatorError(
            "The token would be sent without encryption.", "Use https://, or http:// on the host itself."
        )
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        answer = ask(url, seconds=seconds, headers=headers, ca_file=ca_file)
    except RequestFailed as error:
        hint = "Look whether its web server and the proxy before it run, and at the network between."
        return [Problem(Severity.CRITICAL, "site-silent", error.message, hint, is_silence=True)]
    if answer.status in (401, 403):
        text = f"{host} does not show its health to this machine (status {answer.status})."
        return [Problem(Severity.UNKNOWN, "site-refuses", text, TOKEN_HINT, is_silence=True)]
    try:
        found = json.loads(answer.body)
        if answer.status not in OWN or found["status"] not in ("ok", "failing"):
            raise ValueError
        return _problems_in(found, host)
    # whatever it is: another site, a proxy, or somebody who wants this watch to end with a traceback
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        text = f"What {host} answers (status {answer.status}) is not the health of a site."
        hint = "Look at the address, the log of the web server and that of the proxy before it."
        severity = Severity.CRITICAL if answer.status >= 500 else Severity.UNKNOWN
        return [Problem(severity, "site-unknown", text, hint, is_silence=True)]


def _problems_in(found: dict[str, Any], host: str) -> list[Problem]:
    if found["level"] == "unknown":
        text = sentences(f"The site at {host} cannot read its database.", printable(found.get("error", "")))
        hint = printable(found.get("hint", ""))
        return [Problem(Severity.CRITICAL, "database-unusable", text, hint, is_silence=True)]
    if "instances" not in found:
        if found["status"] == "ok":
            return []
        text = f"The site at {host} says that it is failing."
        return [Problem(Severity.CRITICAL, "failing", text, "With the token of the site it says why.", is_silence=True)]
    reasons = [("", reason) for reason in found["site"]]
    reasons += [(item["instance"], reason) for item in found["instances"] for reason in item["reasons"]]
    return [problem for name, reason in reasons if (problem := problem_of(name, reason)) is not None]


def problem_of(instance: str, reason: dict[str, Any]) -> Problem | None:
    """Return the problem in a described `reason`, of the site where `instance` is empty; None when it is accepted."""
    if reason["accepted"]:
        return None
    severity = Severity.CRITICAL if reason["urgent"] else Severity.WARNING
    key = printable("/".join(filter(None, [instance, reason["code"], reason["subject"]])))
    # on one line, as the subject of a mail and the line of a Nagios plug-in are
    text, hint = printable(reason["text"]), printable(reason["hint"])
    return Problem(severity, key, text, hint, is_silence=not instance and bool(reason["urgent"]))
