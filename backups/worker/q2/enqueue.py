"""Messages to workers."""

import logging

from django.conf import settings
from django.db import Error as DatabaseProblem
from django_q.tasks import async_task

from backups.lib import audit

BROKER_ERRORS: tuple[type[Exception], ...] = (DatabaseProblem, OSError)
if "redis" in settings.Q_CLUSTER:
    # the import takes a tenth of a second of every process
    from redis.exceptions import RedisError

    BROKER_ERRORS += (RedisError,)


def send_message(queue: str, task: str, *args: str) -> bool:
    """Send a message that lets a worker of `queue` call the function `task`; False when the broker fails.

    `args` are names and ids. When a message is lost the row still waits, and the tick sends another.
    """
    name = " ".join([task.rpartition(".")[2], *args])[:100]
    try:
        # of the process that sends, django-q2 would read the setting `ack_failures`; the argument does not depend on it
        async_task(task, *args, cluster=queue, group=queue, task_name=name, ack_failure=True)
    except BROKER_ERRORS as error:
        audit.log("queue.send-failed", logging.WARNING, queue=queue, task=name, error=error)
        return False
    return True
