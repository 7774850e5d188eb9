"""Ringing for a worker."""

import logging

from django.conf import settings
from django.db import Error as DatabaseProblem
from django_q.tasks import async_task

from backups.lib import audit

BROKER_ERRORS: tuple[type[Exception], ...] = (DatabaseProblem, OSError)
if "redis" in settings.Q_CLUSTER:
    # a tenth of a second of every process, so only where it is used
    from redis.exceptions import RedisError

    BROKER_ERRORS += (RedisError,)


def ring(queue: str, task: str, *args: str) -> bool:
    """Ask a worker of `queue` to call the function `task`; False when the message could not be left.

    Only names and ids go into a message. One that is lost is made good by the tick: the row still waits.
    """
    name = " ".join([task.rpartition(".")[2], *args])[:100]
    try:
        # the setting of that name is read by whoever asks, not by the worker: say it here
        async_task(task, *args, cluster=queue, group=queue, task_name=name, ack_failure=True)
    except BROKER_ERRORS as error:
        audit.log("queue.ring-failed", logging.WARNING, queue=queue, task=name, error=error)
        return False
    return True
