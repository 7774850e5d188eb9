"""The options of an SFTP destination: fields, and the checks that no single field can make."""

from collections.abc import Mapping

from django import forms

from destinations.backends.sftp import host_keys
from destinations.exceptions import DestinationConfigError
from destinations.network import server_options

TYPE = "sftp"
PASSWORD, KEY, AGENT = "password", "key", "agent"
BY_WHAT_IS_GIVEN = ""
SECRETS = frozenset({"password", "private_key", "private_key_passphrase"})
# options that the TACACS+ server has and this type cannot honour: what to do instead
_REPLACED = {
    "local_root": "Leave it out: archives are written and read only in this site's own places.",
}
FOREIGN = frozenset({"host_key_verify", *_REPLACED})


def fields() -> dict[str, forms.Field]:
    return {
        "host": forms.CharField(label="Host", max_length=255, help_text="Name or address of the SSH server."),
        "port": forms.IntegerField(
            label="Port", min_value=1, max_value=65535, initial=22, help_text="Of SSH; 22 where nothing else is said."
        ),
        host_keys.OPTION: forms.CharField(
            label="Host key",
            required=False,
            max_length=20_000,
            widget=forms.Textarea({"rows": 3, "spellcheck": "false"}),
            help_text="The public key by which the server is recognised, such as 'ssh-ed25519 AAAA...'; several one a "
            "line. Left blank, it is fetched and shown for you to compare.",
        ),
        "known_hosts_file": forms.CharField(
            label="File of known hosts",
            required=False,
            max_length=1024,
            help_text="In place of the host key: a known_hosts file of this machine that has the server in it.",
        ),
        "username": forms.CharField(label="User name", max_length=255, help_text="The account on the server."),
        "authentication": forms.ChoiceField(
            label="Log in by",
            required=False,
            initial=BY_WHAT_IS_GIVEN,
            choices=[
                (BY_WHAT_IS_GIVEN, "the private key where one is given, else the password"),
                (PASSWORD, "password"),
                (KEY, "private key"),
                (AGENT, "SSH agent of the user that runs this site"),
            ],
            help_text=f"One of {PASSWORD}, {KEY} and {AGENT}; blank, the key where one is given, else the password.",
        ),
        "password": forms.CharField(label="Password", required=False, strip=False, max_length=4096),
        "private_key": forms.CharField(
            label="Private key",
            required=False,
            max_length=20_000,
            widget=forms.Textarea({"rows": 6, "spellcheck": "false"}),
            help_text="Ed25519, ECDSA or RSA: its text, from BEGIN to END, or the absolute path of its file here.",
        ),
        "private_key_passphrase": forms.CharField(
            label="Passphrase of the private key", required=False, strip=False, max_length=4096
        ),
        "base_path": server_options.folder_field("Absolute, or relative to the folder in which the login begins"),
    }


def without_replaced(config: Mapping[str, object]) -> dict[str, object]:
    """Return `config` without options that say what holds anyway; raise for those that contradict it."""
    options = dict(config)
    verify = options.pop("host_key_verify", True)
    if str(verify).strip().lower() not in ("true", "1", "yes", "on"):
        raise DestinationConfigError(
            "The option 'host_key_verify' cannot be switched off: whoever answers in place of the server would get the "
            "archives.",
            "Leave it out, and give 'host_key' or 'known_hosts_file'.",
            "host_key_verify",
        )
    for option, hint in _REPLACED.items():
        if option in options:
            raise DestinationConfigError(f"A destination of type {TYPE!r} has no option {option!r}.", hint, option)
    return options


def check(options: dict[str, object]) -> dict[str, object]:
    """Return `options`, normalised. Raises `DestinationConfigError`; nothing is read or connected to."""
    text = {option: str(value or "") for option, value in options.items()}
    host = server_options.check_host(TYPE, text["host"])
    known = text["known_hosts_file"]
    if known and not known.startswith("/"):
        raise _wrong("known_hosts_file", "it is not absolute.", "Give the full path of the file.")
    if bool(known) == bool(text[host_keys.OPTION].strip()):
        raise DestinationConfigError(
            "Both 'host_key' and 'known_hosts_file' are given."
            if known
            else "Neither 'host_key' nor 'known_hosts_file' says how the server is recognised.",
            "Give one of them.",
            host_keys.OPTION,
        )
    keys = host_keys.parse(text[host_keys.OPTION])
    if not known and not keys:
        raise _wrong(host_keys.OPTION, "it holds no key.", "Give at least one public key.")
    return options | {
        "host": host,
        host_keys.OPTION: "\n".join(key.line for key in keys),
        "authentication": _check_login(text),
        "base_path": server_options.check_folder(TYPE, text["base_path"]),
    }


def _check_login(text: Mapping[str, str]) -> str:
    """Return the way to log in."""
    way = text["authentication"] or (KEY if text["private_key"] else PASSWORD)
    if way == PASSWORD and not text["password"]:
        raise _wrong("password", "it is missing.", "Give the password, or log in by a key.")
    if way == KEY:
        key = text["private_key"]
        if not key:
            raise _wrong("private_key", "it is missing.", "Give the private key, or log in by a password.")
        # what the option holds is not repeated: it may be a key all the same
        if key.startswith("PuTTY-User-Key-File"):
            hint = "Convert it: puttygen KEY.ppk -O private-openssh -o KEY."
            raise _wrong("private_key", "it is a key of PuTTY.", hint)
        if key.split()[0] in host_keys.KINDS:
            raise _wrong("private_key", "it is the public half of a key.", "Give the file without '.pub'.")
        if "-----BEGIN" not in key and (not key.startswith("/") or "\n" in key):
            raise _wrong(
                "private_key",
                "it is neither the text of a key nor the absolute path of a file.",
                "The text goes from '-----BEGIN' to the end of the line '-----END ...-----'.",
            )
        if "-----BEGIN" in key and "-----END" not in key:
            raise _wrong("private_key", "its end is missing.", "The text goes to the end of the line '-----END ...'.")
    return way


def _wrong(option: str, reason: str, hint: str) -> DestinationConfigError:
    return server_options.wrong(TYPE, option, reason, hint)
