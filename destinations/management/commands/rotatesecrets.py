import logging
from typing import Any

from django.db import transaction

from destinations.exceptions import DestinationConfigError
from destinations.management.base import OperatorCommand
from destinations.models import BackupDestination
from destinations.secrets import seal_config, secrets_rotated

logger = logging.getLogger(__name__)


class Command(OperatorCommand):
    help = "Seal the secrets of all destinations, and all other sealed keys, under the first key of BACKUP_SECRETS_KEY."

    def run(self, **options: Any) -> None:
        done: list[str] = []
        problems: dict[str, DestinationConfigError] = {}
        for name in BackupDestination.objects.values_list("name", flat=True):
            try:
                # a row whose secrets no key opens stays as it was
                with transaction.atomic():
                    destination = BackupDestination.objects.select_for_update().get(name=name)
                    destination.config_json = seal_config(destination.type, destination.options())
                    destination.save(update_fields=["config_json"])
            except DestinationConfigError as error:
                problems[name] = error
            else:
                done.append(name)
        # each of them: an operator who deletes the old key has to know of every secret that still needs it
        for _, failure in secrets_rotated.send_robust(sender=BackupDestination):
            if isinstance(failure, DestinationConfigError):
                problems[failure.message.removesuffix(".")] = failure
            elif failure is not None:
                raise failure
        logger.info("secrets rotated destinations=%s", ",".join(done))
        self.respond({"resealed": done}, f"Sealed again: {', '.join(done) or 'nothing'}.")
        if problems:
            # one error that names every destination whose secrets no key opens
            first = next(iter(problems.values()))
            others = ", ".join(list(problems)[1:])
            raise DestinationConfigError(f"{first.message} Likewise: {others}.", first.hint) if others else first
