"""The metrics of the site, made from its rows at each scrape.

A scrape costs the same whatever the length of the history: runs are counted over the last day, instances by index
seeks, and copies, of which there may be as many as backups, from an index and not more often than every five minutes.
"""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from backups.endpoints.collector.destinations import destination_metrics
from backups.endpoints.collector.instances import instance_metrics
from backups.endpoints.collector.runs import run_metrics
from backups.endpoints.collector.site import site_metrics
from backups.models import BackupExecution
from backups.service.monitoring.health import health
from backups.service.monitoring.protection import COLUMNS


class SiteCollector(Collector):
    def describe(self) -> list[Metric]:
        # without it the registry would collect at its registration, when there may be no database yet
        return []

    def collect(self) -> Iterator[Metric]:
        now = health(BackupExecution.objects.only(*COLUMNS, "amounts"))
        yield from site_metrics(now)
        yield from instance_metrics(now)
        yield from run_metrics(now.at)
        yield from destination_metrics(now.at)
