"""Metrics of the site as a whole."""

from collections.abc import Iterator

from prometheus_client import Metric

from backups.endpoints.collector.gauges import gauge
from backups.service.monitoring.health import Health
from backups.version import VERSION


def site_metrics(health: Health) -> Iterator[Metric]:
    yield gauge("info", "Version of the site; always 1.", ["version"], [([VERSION], 1)])
    yield gauge("level", "The worst level: 0 protected, 1 at risk, 2 unprotected.", [], [([], health.level.exit_code)])
    yield gauge("failing", "1 while /health answers 503.", [], [([], health.is_failing)])
    yield gauge(
        "site_reason",
        "1 for each cause that concerns the whole site.",
        ["code", "subject", "level"],
        # a set: two mistakes in a file are one cause, and a series that comes twice is refused
        [(labels, 1) for labels in {(reason.code, reason.subject, reason.level.value) for reason in health.site}],
    )
