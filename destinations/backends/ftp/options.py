"""The options of an FTP destination: fields, and the checks that no single field can make."""

from collections.abc import Mapping

from django import forms

from destinations.backends.ftp.account import EXPLICIT, IMPLICIT, NONE
from destinations.exceptions import DestinationConfigError
from destinations.network import certificates, server_options

TYPE = "ftp"
SECRETS = frozenset({"password"})
PORTS = {NONE: 21, EXPLICIT: 21, IMPLICIT: 990}
# options that the TACACS+ server has and this type cannot honour: what to do instead
_REPLACED = {
    "local_root": "Leave it out: archives are written and read only in this site's own places.",
}
FOREIGN = frozenset({"use_tls", "verify_ssl", *_REPLACED})
PLAIN_WARNING = (
    "FTP without encryption: whoever is on the way to the server can read the password and every archive, and can "
    "change both. Choose explicit or implicit TLS, or SFTP; where the server has neither, use an account that reaches "
    "nothing else, and require encrypted archives."
)


def fields() -> dict[str, forms.Field]:
    return {
        "host": forms.CharField(label="Host", max_length=255, help_text="Name or address of the FTP server."),
        "port": forms.IntegerField(
            label="Port", required=False, min_value=1, max_value=65535, help_text="Blank: 21, or 990 for implicit TLS."
        ),
        "encryption": forms.ChoiceField(
            label="Encryption of the connection",
            initial=EXPLICIT,
            choices=[
                (EXPLICIT, "explicit TLS (begins on the usual port)"),
                (IMPLICIT, "implicit TLS (a port of its own)"),
                (NONE, "none: password and archives can be read on the way"),
            ],
            help_text=f"One of {EXPLICIT}, {IMPLICIT} and {NONE}. Without encryption whoever is on the way to the "
            "server reads and changes what is sent, the password too.",
        ),
        **certificates.fields(),
        "username": forms.CharField(label="User name", max_length=255),
        "password": forms.CharField(label="Password", strip=False, max_length=4096),
        "base_path": server_options.folder_field("Absolute, or relative to the folder in which the login begins"),
        "passive": forms.BooleanField(
            label="Passive mode",
            required=False,
            initial=True,
            help_text="This machine opens the data connections; otherwise the server does, which few firewalls let in.",
        ),
    }


def without_replaced(config: Mapping[str, object]) -> dict[str, object]:
    """Return `config` with the keys of the TACACS+ server put as this type has them, or raise for one it cannot."""
    options = dict(config)
    if not _is_true(options.pop("verify_ssl", True), "verify_ssl"):
        raise DestinationConfigError(
            "The option 'verify_ssl' cannot be switched off: whoever answers in place of the server would get the "
            "password and the archives.",
            f"Leave it out, and give {certificates.CA_FILE!r} for an authority of your own or "
            f"{certificates.FINGERPRINT!r} for a certificate that is signed by itself.",
            "verify_ssl",
        )
    for option, hint in _REPLACED.items():
        if option in options:
            raise DestinationConfigError(f"A destination of type {TYPE!r} has no option {option!r}.", hint, option)
    if "use_tls" in options:
        use_tls = _is_true(options.pop("use_tls"), "use_tls")
        encryption = options.setdefault("encryption", EXPLICIT if use_tls else NONE)
        if (encryption == NONE) == use_tls:
            raise DestinationConfigError(
                "The options 'use_tls' and 'encryption' contradict each other.",
                "Leave 'use_tls' out: 'encryption' says the same and more.",
                "use_tls",
            )
        if use_tls:
            # what that server takes when no port is given, although it speaks explicit TLS
            options.setdefault("port", PORTS[IMPLICIT])
    return options


def _is_true(value: object, option: str) -> bool:
    text = str(value).strip().lower()
    if text not in ("true", "1", "yes", "on", "false", "0", "no", "off", ""):
        raise DestinationConfigError(
            f"The option {option!r} of a destination of type {TYPE!r} is wrong.", "Use true or false.", option
        )
    return text in ("true", "1", "yes", "on")


def check(options: dict[str, object]) -> dict[str, object]:
    """Return `options`, normalised. Raises `DestinationConfigError`; nothing is read or connected to."""
    options = certificates.check_options(options)
    encryption = str(options["encryption"])
    for option in (certificates.CA_FILE, certificates.FINGERPRINT) if encryption == NONE else ():
        if options[option]:
            raise DestinationConfigError(
                f"The option {option!r} is given, and without encryption there is no certificate.",
                f"Choose {EXPLICIT!r} or {IMPLICIT!r} as 'encryption', or leave it out.",
                option,
            )
    server_options.check_login(TYPE, options)
    return options | {
        "host": server_options.check_host(TYPE, str(options["host"])),
        "port": options["port"] or PORTS[encryption],
        "base_path": server_options.check_folder(TYPE, str(options["base_path"])),
    }
