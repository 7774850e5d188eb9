"""What other code may listen to.

A receiver that fails is logged (``django.dispatch``) and nobody else misses anything: each is sent with `send_robust`.
"""

from django.dispatch import Signal

# sent with `execution` whenever one ends, whatever its status, and may start the next of its instance
execution_finished = Signal()
# sent with `destination` and `message` whenever no key at hand opens a backup that is kept there
keys_lost = Signal()
# sent with `schedule` and `message` whenever a scheduled backup failed or could not be started
schedule_failed = Signal()
# sent with `execution` and `drill` (the row of the run) whenever a drill came to a verdict, which `execution.drill` has
drill_finished = Signal()
# the same of a verification; `execution.verification` has the verdict
verification_finished = Signal()
# sent with `execution` and `message` whenever a backup completes that lacks data which the one before it had
data_dropped = Signal()
# sent once with `instance` (its name) and `message` when its newest good backup is older than its schedules promise
instance_late = Signal()
