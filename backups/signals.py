"""Signals for code outside of this project.

Each is sent with `send_robust`: an error in one receiver is logged (``django.dispatch``) and the others are called.
"""

# `execution` is the former name of `run` and of `backup`: receivers outside of this project have it as an argument

from django.dispatch import Signal

# sent with `run` (the row) when a backup, restore or drill has ended, whatever its status
execution_finished = Signal()
# sent with `destination` and `message` when no available key opens a backup that is stored there
keys_lost = Signal()
# sent with `schedule` and `message` when a scheduled backup failed or could not be started
schedule_failed = Signal()
# sent with `backup` and `drill` (the row of the run) when a drill has a verdict, which is in `backup.drill`
drill_finished = Signal()
# the same for a verification; the verdict is in `backup.verification`
verification_finished = Signal()
# sent with `backup` and `message` when a backup completes that lacks data which the one before it had, or whose amounts
# are off the trend of those before
data_dropped = Signal()
# sent once with `instance` (its name) and `message` when the instance becomes overdue: its newest good backup is older
# than its schedules allow
instance_late = Signal()
# sent with `destination`, `message` and `hint` when the server of a destination identifies itself by another key or
# certificate than the trusted one
host_key_changed = Signal()
