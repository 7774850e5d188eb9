#!/usr/bin/env python
"""Compare cron schedules with every minute of the wall clock, around each change of clocks of ten years in every zone.

Each step of the hour field and each named hour, two days before and after. Zones that change by the same offsets at
the same moment are checked once. Prints what differs, and ends with 1 when anything did.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from backups.service.schedules.cadence import parse_cron, upcoming
from tests.support.clock_changes import DAY, HOURS, clock_changes, due, minutes_around

SINCE, UNTIL = datetime(2017, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
# minutes in and out of a gap of half an hour
MINUTES = (0, 45)


def main() -> int:
    checked: set[tuple[object, ...]] = set()
    windows = runs = wrong = 0
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for change in clock_changes(zone, SINCE, UNTIL):
            # the offset of each day of the window: other changes may lie in it
            signature = (change, *((change + days * DAY).astimezone(zone).utcoffset() for days in range(-3, 4)))
            if signature in checked:
                continue
            checked.add(signature)
            minutes = minutes_around(zone, change)
            for hour in HOURS:
                for minute in MINUTES:
                    expected = due(minutes, hour, minute)
                    cron = parse_cron(f"{minute} {hour} * * *", name)
                    found = upcoming(cron, minutes[0].at - timedelta(seconds=1), len(expected))
                    windows, runs = windows + 1, runs + len(expected)
                    if found != expected:
                        wrong += 1
                        print(f"{name}, {change:%Y-%m-%d %H:%M} UTC, {minute} {hour}: {set(found) ^ set(expected)}")
    print(f"{len(checked)} changes of clocks, {windows} expressions around them, {runs} runs: {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
