from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction
from django.utils import timezone

from backups.errors import BackupError
from backups.lib import audit
from backups.management.base import BackupCommand
from backups.management.channels import (
    add_shared_options,
    describe,
    find_channel,
    require_delivery,
    require_known_events,
    scope_from,
    validate,
)
from backups.models import NotificationChannel
from backups.notifications.channels import configure, kind_of
from backups.notifications.hours import next_digest
from backups.notifications.messages import introduce
from destinations.management.base import operator_name
from destinations.management.options import given_options
from destinations.secrets import unseal_options


class Command(BackupCommand):
    help = "Change a channel of notifications; what is not given stays. With other options a test is sent by it."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        add_shared_options(parser)
        parser.add_argument("--site", action="store_true", help="for everything of this site")
        parser.add_argument(
            "--unmute", action="append", default=[], metavar="EVENT:LEVEL", help="send this again, if it was left out"
        )
        parser.add_argument("--digest", choices=["daily", "weekly", "none"], help="gather what is no alarm, or do not")
        parser.add_argument("--time-zone", help="of its digest and the times in its texts")
        paths = parser.add_mutually_exclusive_group()
        paths.add_argument("--show-paths", action="store_true", help="send paths of files on the hosts too")
        paths.add_argument("--hide-paths", action="store_true", help="leave them out again")
        state = parser.add_mutually_exclusive_group()
        state.add_argument("--enable", action="store_true", help="send by it again")
        state.add_argument("--disable", action="store_true", help="send nothing but tests by it")
        parser.add_argument("--untested", action="store_true", help="change options without sending a test")

    def run(self, **options: Any) -> None:
        channel = find_channel(options["name"])
        given = given_options(options)
        changes, schedules = self._changes(channel, options)
        if not (given or changes):
            raise BackupError("Nothing to change was given.", hint="Give at least one option.")
        was_enabled = channel.enabled
        for field, value in changes.items():
            setattr(channel, field, value)
        if given:
            # one whose key is lost can be given anew; the others must open
            kept = {option: value for option, value in channel.config_json.items() if option not in given}
            stored = unseal_options(kept, kind_of(channel).secret_options, of=f"channel {channel.name!r}")
            configure(channel, stored | given)
        validate(channel, "changed")
        now = timezone.now()
        if {"digest", "time_zone"} & changes.keys():
            channel.next_digest_at = changes["next_digest_at"] = next_digest(channel, now)
        # what kept it from its receiver may be corrected now
        channel.retry_at = None
        with transaction.atomic():
            # what a delivery records meanwhile stays
            channel.save(update_fields=[*changes, *(["config_json"] if given else []), "retry_at"])
            if "scope" in changes:
                channel.schedules.set(schedules)
        if channel.enabled and not was_enabled:
            introduce(channel, now)
        audit.log("channel.changed", channel=channel.name, kind=channel.kind, by=operator_name())
        if given and not options["untested"]:
            require_delivery(channel, "changed")
        self.respond(describe(channel), f"Channel {channel.name} is changed.")

    def _changes(self, channel: NotificationChannel, options: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        """Return the new values of the columns that are given, and the schedules of a new scope."""
        scope, instances, schedules = scope_from(options)
        if options["site"] and (instances or schedules):
            raise BackupError("--site contradicts --instance and --schedule.", hint="Give one of them.")
        require_known_events([*options["mute"], *options["unmute"]])
        if both := {*options["mute"]} & {*options["unmute"]}:
            raise BackupError(f"{min(both)} is given to --mute and to --unmute.", hint="Give it to one of them.")
        changes: dict[str, Any] = {}
        if options["site"] or instances or schedules:
            changes |= {"scope": scope, "instances": instances}
        if options["mute"] or options["unmute"]:
            muted = dict.fromkeys([*channel.muted, *options["mute"]])
            changes["muted"] = [cell for cell in muted if cell not in options["unmute"]]
        if options["digest"] is not None:
            changes["digest"] = "" if options["digest"] == "none" else options["digest"]
        if options["time_zone"] is not None:
            changes["time_zone"] = options["time_zone"]
        if options["show_paths"] or options["hide_paths"]:
            changes["hide_paths"] = options["hide_paths"]
        if options["enable"] or options["disable"]:
            changes["enabled"] = options["enable"]
        return changes, schedules
