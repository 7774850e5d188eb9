"""Tags and filters of the pages."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.forms import BaseForm
from django.template.base import Parser, Token
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from backups.admin.overview.front import FrontPage, front_page
from backups.admin.shared import formats
from backups.admin.shared.half_restored import not_rolled_back_of
from backups.admin.shared.permissions import sees
from backups.models import InstanceState, RestoreExecution
from destinations.lib.formats import human_count, human_duration, human_size, signed

INDENTATION = re.compile(r"\n\s+")
# of no meaning: beside a cell, a row or a block there is a break anyhow
BREAK = re.compile(r"\n(?=</?(?:t[dhr]|t?body|thead|table|div|section|p|ul|li|form|option)\b)|(?<=<td>)\n")
# a value without a space, quote or sign of a tag may stand bare; not before the slash of an element that closes itself
QUOTED = re.compile(r'(?<=[a-z])="([\w./:#?+,-]+)"(?=[\s>])')
register = template.Library()
register.filter("size", human_size)
register.filter("count", human_count)
register.filter("duration", human_duration)
register.filter("seconds", human_duration)
register.filter("age", formats.age)
register.filter("until", formats.until)
register.filter("day", formats.day)
register.filter("minute", formats.minute)
register.filter("exact", formats.exact)
register.filter("stamp", formats.stamp)
register.filter("stamp_ago", formats.stamp_ago)
register.filter("moment", formats.moment)
register.filter("signed", signed)
register.filter("sentence", formats.sentence)


@register.filter
def named(names: Sequence[str], most: int) -> str:
    """Return the first `most` of `names`, each once, and how many more there are."""
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


@register.filter
def pairs(mapping: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the keys of `mapping` with their values."""
    # `mapping.items` in a template is the value of the key "items" where there is one, as of a table of that name
    return list(mapping.items())


@register.simple_tag(takes_context=True)
def backup_overview(context: dict[str, Any]) -> FrontPage | None:
    """Return the state of every instance; None for users who may not see backups."""
    return front_page(context["request"])


@register.simple_tag(takes_context=True)
def restarts_due(context: dict[str, Any]) -> list[InstanceState]:
    """Return the instances that have to be restarted after a restore; none for users who may not see restores."""
    if not _sees_restores(context):
        return []
    return list(InstanceState.objects.restart_required().order_by("instance"))


@register.simple_tag(takes_context=True)
def half_restored(context: dict[str, Any]) -> list[RestoreExecution]:
    """Return the restores that left an instance half restored; none for users who may not see restores."""
    if not _sees_restores(context):
        return []
    return not_rolled_back_of(context["request"])


@register.tag
def compact(parser: Parser, _: Token) -> template.Node:
    """Leave out indentation, and quotes that HTML does not need, between ``compact`` and ``endcompact``.

    It is half of a long table.
    """
    nodes = parser.parse(("endcompact",))
    parser.delete_first_token()
    return _Compact(nodes)


class _Compact(template.Node):
    def __init__(self, nodes: template.NodeList) -> None:
        self.nodelist = nodes

    def render(self, context: template.Context) -> SafeString:
        # a line break stays, so that words on two lines stay two words
        text = BREAK.sub("", INDENTATION.sub("\n", self.nodelist.render(context)))
        # of texts it changes nothing: in these a quotation mark is escaped
        return mark_safe(QUOTED.sub(r"=\1", text))  # noqa: S308 - it was rendered


@register.simple_tag
def focus_first_error(form: BaseForm) -> str:
    """Let the page open at the first field that has errors; nothing is rendered."""
    fields = [field for field in form.visible_fields() if field.errors] if form.is_bound else []
    # the box with the errors of the form as a whole comes before the fields, and takes the focus itself
    if fields and not form.non_field_errors():
        for field in form.fields.values():
            field.widget.attrs.pop("autofocus", None)
        fields[0].field.widget.attrs["autofocus"] = True
    return ""


@register.simple_tag
def time_zone_name() -> str:
    """Return the name of the time zone in which this page shows its times."""
    return timezone.get_current_timezone_name()


def _sees_restores(context: dict[str, Any]) -> bool:
    user = getattr(context.get("request"), "user", None)
    return user is not None and user.is_staff and sees(user, RestoreExecution)
