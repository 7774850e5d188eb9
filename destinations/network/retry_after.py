"""When a server wants to be asked again (RFC 9110, Retry-After)."""

from email.utils import parsedate_to_datetime

from django.utils import timezone


def retry_after(value: str) -> float:
    """Return the seconds from now that `value` names, as a number or as a date; 0 where it names none."""
    text = value.strip()
    # other alphabets have digits too, and some are no numbers
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    # without a time zone it would be compared as one of here
    return 0.0 if moment.tzinfo is None else max((moment - timezone.now()).total_seconds(), 0.0)
