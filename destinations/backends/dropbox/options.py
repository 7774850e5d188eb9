"""The options of the type `dropbox`; their names are those of DropboxStorage of django-storages."""

from collections.abc import Mapping

from django import forms

from destinations.exceptions import DestinationConfigError
from destinations.lib.operator_error import sentences
from destinations.transfer.paths import validate_prefix

TYPE = "dropbox"
SECRETS = frozenset({"oauth2_access_token", "oauth2_refresh_token", "app_secret"})
REPLACED = {
    "location": "The option is called 'root_path'.",
    "base_path": "The option is called 'root_path'.",
    "write_mode": "Leave it out: nothing is ever overwritten.",
}


def option_fields() -> dict[str, forms.Field]:
    def text(label: str, help_text: str, longest: int = 200) -> forms.CharField:
        return forms.CharField(label=label, help_text=help_text, required=False, max_length=longest)

    return {
        "root_path": text("Folder", "Such as backups/site-1; blank for all that the app may see. It is made."),
        "account": forms.EmailField(
            label="Account",
            required=False,
            help_text="E-mail address of the account: another one that answers is refused. Two destinations in "
            "folders of the same name are told apart by it.",
        ),
        "app_key": text("App key", "Of the app in the console of Dropbox, with a refresh token."),
        "app_secret": text("App secret", "Of the app; blank where the token was given out with PKCE."),
        "oauth2_refresh_token": text("Refresh token", "Does not expire; access tokens are fetched with it.", 4000),
        "oauth2_access_token": text("Access token", "In place of it, for a trial: it expires after hours.", 4000),
        "verify": text("Authorities", "File of the certificates to trust, in PEM; blank: those of the system.", 500),
    }


def refuse_replaced(config: Mapping[str, object]) -> None:
    """Raise `DestinationConfigError` for an option that has another name here, or that nothing can honour."""
    for option, hint in REPLACED.items():
        if option in config:
            raise DestinationConfigError(f"A destination of type {TYPE!r} has no option {option!r}.", hint, option)


def check(options: dict[str, object]) -> dict[str, object]:
    """Return `options` normalised. Raises `DestinationConfigError`; nothing is read or connected to."""
    given = {name: "" if value is None else str(value).strip() for name, value in options.items()}
    root = given["root_path"].strip("/")
    try:
        validate_prefix(root)
    except DestinationConfigError as error:
        raise _wrong("root_path", "it is not the path of a folder.", error.hint) from None
    if bool(given["oauth2_refresh_token"]) == bool(given["oauth2_access_token"]):
        raise DestinationConfigError(
            f"A destination of type {TYPE!r} logs in by exactly one of oauth2_refresh_token and oauth2_access_token.",
            "Give the refresh token with app_key and app_secret.",
            "oauth2_refresh_token",
        )
    if given["oauth2_refresh_token"] and not given["app_key"]:
        raise _wrong("app_key", "it is missing.", "It goes with the refresh token.")
    if given["verify"].lower() in {"false", "no", "0"}:
        hint = "Give the file of the authority that signed that of the store."
        raise _wrong("verify", "certificates are always verified.", hint)
    return options | {"root_path": root, "account": given["account"].lower()}


def _wrong(option: str, reason: str, hint: str) -> DestinationConfigError:
    message = sentences(f"The option {option!r} of a destination of type {TYPE!r} is wrong: {reason}")
    return DestinationConfigError(message, hint, option)
