"""The options of a WebDAV destination: fields, and the checks that no single field can make."""

import re
from urllib.parse import quote, unquote, urlsplit

from django import forms

from destinations.exceptions import DestinationConfigError
from destinations.network import certificates, server_options

TYPE = "webdav"
SECRETS = frozenset({"password", "token"})
PLAIN_WARNING = (
    "WebDAV without encryption (http): whoever is on the way to the server can read the login and every archive, and "
    "can change both. Use an address that begins with https."
)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


def fields() -> dict[str, forms.Field]:
    return {
        "url": forms.CharField(
            label="Address",
            max_length=1024,
            help_text="That of the folder in which the login begins, such as "
            "https://cloud.example.org/remote.php/dav/files/backup/. With http whoever is on the way reads and changes "
            "what is sent.",
        ),
        **certificates.fields(),
        "username": forms.CharField(label="User name", required=False, max_length=255),
        "password": forms.CharField(
            label="Password",
            required=False,
            strip=False,
            max_length=4096,
            help_text="Of the account, or better one of an application (Nextcloud: Settings, Security).",
        ),
        "token": forms.CharField(
            label="Bearer token",
            required=False,
            max_length=8192,
            help_text="In place of user name and password, where the server gives such tokens.",
        ),
        "base_path": server_options.folder_field("Below the address"),
    }


def check(options: dict[str, object]) -> dict[str, object]:
    """Return `options`, normalised. Raises `DestinationConfigError`; nothing is read or connected to."""
    options = certificates.check_options(options)
    url = check_url(str(options["url"]))
    for option in (certificates.CA_FILE, certificates.FINGERPRINT) if url.startswith("http:") else ():
        if options[option]:
            raise DestinationConfigError(
                f"The option {option!r} is given, and an address with http has no certificate.",
                "Use https in the address, or leave it out.",
                option,
            )
    text = {option: str(options[option] or "") for option in ("username", "password", "token")}
    if text["token"] and (text["username"] or text["password"]):
        raise server_options.wrong(TYPE, "token", "it is given beside a user name or password.", "Give one of them.")
    if not text["token"] and not (text["username"] and text["password"]):
        option = "username" if not text["username"] else "password"
        hint = "Give user name and password, or a bearer token."
        raise server_options.wrong(TYPE, option, "it is missing.", hint)
    if text["token"] and _TOKEN.fullmatch(text["token"]) is None:
        raise server_options.wrong(TYPE, "token", "it is no bearer token.", "Give it without the word 'Bearer'.")
    if ":" in text["username"]:
        raise server_options.wrong(TYPE, "username", "it has a colon, which no login of HTTP can.", "Check it.")
    server_options.check_login(TYPE, options)
    base = server_options.check_folder(TYPE, str(options["base_path"])).strip("/")
    return options | {"url": url, "base_path": base}


def check_url(url: str) -> str:
    """Return the address in one spelling, with a slash at its end."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise server_options.wrong(TYPE, "url", "it is not an address.", "It begins with https://.") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise server_options.wrong(TYPE, "url", "it is not an address of HTTP.", "It begins with https://.")
    if parts.username is not None or parts.query or parts.fragment:
        hint = "Give user name and password in their own options, and no '?' and '#'."
        raise server_options.wrong(TYPE, "url", "it holds more than scheme, host, port and path.", hint)
    path = unquote(parts.path, errors="surrogateescape")
    if ".." in path.split("/"):
        raise server_options.wrong(TYPE, "url", "it holds '..'.", "Give the path without.")
    host = server_options.check_host(TYPE, parts.hostname)
    default = {"https": 443, "http": 80}[parts.scheme]
    where = f"[{host}]" if ":" in host else host
    at = where if port in (None, default) else f"{where}:{port}"
    return f"{parts.scheme}://{at}{quote(path.rstrip('/'), errors='surrogateescape')}/"
