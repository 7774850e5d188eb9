"""The options of a destination: fields of a form, checks, and the keys of servers that a person confirms."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from destinations.backends.base.records import PeerKey
from destinations.exceptions import DestinationConfigError
from destinations.lib.formats import is_text
from destinations.lib.operator_error import sentences
from destinations.transfer.extras import Extra

_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Options(ABC):
    """What is known of a type before it is opened."""

    type: ClassVar[str]
    label: ClassVar[str]
    off_box: ClassVar[bool]
    # packages that only this type needs
    extra: ClassVar[Extra | None] = None
    # whether the store can refuse to delete a file before a moment, whoever asks (see `lock`)
    can_lock: ClassVar[bool] = False
    # options of other programs that `clean` takes where they say what holds anyway, and else refuses by name
    foreign_options: ClassVar[frozenset[str]] = frozenset()
    secret_options: ClassVar[frozenset[str]] = frozenset()
    # the option that holds the key by which the server is recognised, where a person has to confirm one
    pinned_option: ClassVar[str] = ""
    # what forms call it
    pinned_noun: ClassVar[str] = "key"
    # the options that `fetch_peer_key` needs
    peer_options: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def append_only_field() -> forms.BooleanField:
        """Return the field of the option that every type has."""
        return forms.BooleanField(
            label="Append-only",
            required=False,
            help_text="The account may add files and not delete them: this site deletes nothing there, and the store "
            "decides when archives go. Give it the retention rule by which the store does that.",
        )

    @classmethod
    @abstractmethod
    def fields(cls) -> dict[str, forms.Field]:
        """Return a new form field for each option, in the order of the form."""

    @classmethod
    def default_options(cls, name: str) -> dict[str, object]:
        """Return options to use where the operator left them blank; `name` is that of the destination."""
        return {}

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        """Return `options`, normalised, after the checks that no single field can make; nothing is connected to."""
        return options

    @classmethod
    def clean(cls, config: Mapping[str, object]) -> dict[str, object]:
        """Return every option validated; raise `DestinationConfigError` for an unknown, missing or wrong one."""
        fields = cls.fields()
        for option in config:
            if option not in fields:
                raise DestinationConfigError(
                    f"A destination of type {cls.type!r} has no option {option!r}.",
                    f"Its options are: {', '.join(fields)}.",
                    option,
                )
        cleaned = cls.check_options({option: cls.clean_option(option, config) for option in fields})
        # rows and declared configurations from before it was an option are the same as one that is not append-only
        if not cleaned.get("append_only"):
            cleaned.pop("append_only", None)
        return cleaned

    @classmethod
    def clean_option(cls, option: str, config: Mapping[str, object]) -> Any:
        """Return one option validated; raise `DestinationConfigError` when it is missing or wrong."""
        field = cls.fields()[option]
        try:
            return field.clean(_plain(field, config.get(option, field.initial)))
        except ValidationError as error:
            # A field's own message may repeat the value; those of this module never do.
            hidden = option in cls.secret_options and error.error_list[0].code != _PLAIN
            reason = "it is missing or not valid." if hidden else " ".join(error.messages)
            raise DestinationConfigError(
                sentences(f"The option {option!r} of a destination of type {cls.type!r} is wrong: {reason}"),
                sentences(str(field.help_text)) or "Enter it again.",
                option,
            ) from None

    @classmethod
    def lacks_pin(cls, config: Mapping[str, object]) -> bool:
        """Whether a key has to be fetched and confirmed before `config` can be used."""
        return bool(cls.pinned_option) and not str(config.get(cls.pinned_option) or "").strip()

    @classmethod
    def pinned_keys(cls, value: str) -> "tuple[PeerKey, ...]":
        """Return the keys in a value of `pinned_option`. Raises `DestinationConfigError`."""
        return ()

    @classmethod
    def fetch_peer_key(cls, config: Mapping[str, object]) -> PeerKey:
        """Ask the server of `config` for its key. Nothing vouches for it: a person compares it before it is pinned.

        Raises `DestinationError`.
        """
        raise NotImplementedError


# code of the errors of `_plain`
_PLAIN = "plain"


def _plain(field: forms.Field, value: object) -> object:
    """Return `value` as its field takes it. Raises `ValidationError` for text that no field refuses by itself."""
    if not isinstance(value, str):
        return value
    if not is_text(value):
        raise ValidationError("It holds bytes that are no text in UTF-8.", code=_PLAIN)
    kept = value.strip() if getattr(field, "strip", True) else value
    # in a header of HTTP it would begin another one
    if not isinstance(field.widget, forms.Textarea) and ("\r" in kept or "\n" in kept):
        raise ValidationError("It holds a line break.", code=_PLAIN)
    if isinstance(field, forms.BooleanField) and value:
        # a field takes every other word, "no" too, for true
        if value.strip().lower() not in _TRUTH:
            raise ValidationError("Give true or false.", code=_PLAIN)
        return _TRUTH[value.strip().lower()]
    return value
