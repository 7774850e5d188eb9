"""Options that depend on a type: the fields of a form, and their checks. Destinations have them, and other apps too."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from destinations.exceptions import DestinationConfigError
from destinations.lib.formats import is_text
from destinations.lib.operator_error import sentences

_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
# code of the errors of `_plain`
_PLAIN = "plain"


class TypedOptions(ABC):
    """A subclass is one type of what errors call `noun`."""

    noun: ClassVar[str]
    type: ClassVar[str]
    label: ClassVar[str]
    secret_options: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    @abstractmethod
    def fields(cls) -> dict[str, forms.Field]:
        """Return a new form field for each option, in the order of the form."""

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
                    f"A {cls.noun} of type {cls.type!r} has no option {option!r}.",
                    f"Its options are: {', '.join(fields)}.",
                    option,
                )
        return cls.check_options({option: cls.clean_option(option, config) for option in fields})

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
                sentences(f"The option {option!r} of a {cls.noun} of type {cls.type!r} is wrong: {reason}"),
                sentences(str(field.help_text)) or "Enter it again.",
                option,
            ) from None


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
