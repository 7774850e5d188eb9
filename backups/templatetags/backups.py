"""What the pages of backups say, and how."""

from typing import Any

from django import template

from backups.admin import formats
from backups.admin.front import FrontPage, front_page

register = template.Library()
register.filter("size", formats.size)
register.filter("count", formats.count)
register.filter("duration", formats.duration)
register.filter("seconds", formats.seconds)
register.filter("age", formats.age)
register.filter("until", formats.until)
register.filter("exact", formats.exact)
register.filter("moment", formats.moment)
register.filter("signed", formats.signed)
register.filter("sentence", formats.sentence)


@register.simple_tag(takes_context=True)
def backup_overview(context: dict[str, Any]) -> FrontPage | None:
    """Return the state of every instance; None for users who may not see backups."""
    return front_page(context["request"].user)
