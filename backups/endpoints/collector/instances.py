"""Metrics of each instance."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from prometheus_client import Metric

from backups.endpoints.collector.gauges import gauge
from backups.models import BackupExecution
from backups.service.monitoring.health import Health
from backups.service.monitoring.protection import taken_at
from backups.service.monitoring.verdict import Facts, Verdict

# Prometheus gives each series a label `instance` of its own: the address that it scraped
LABEL = "backup_instance"


def instance_metrics(health: Health) -> Iterator[Metric]:
    now, found = health.at, health.verdicts

    def of_each(name: str, text: str, value: Callable[[Facts], float | None]) -> Metric:
        samples = [([verdict.instance], value(verdict.facts)) for verdict in found]
        return gauge(f"instance_{name}", text, [LABEL], samples)

    def of_good(name: str, text: str, value: Callable[[BackupExecution], float | None]) -> Metric:
        return of_each(name, text, lambda facts: None if facts.good is None else value(facts.good))

    yield of_good(
        "last_success_timestamp_seconds",
        "Time of the data in the newest good backup.",
        lambda good: taken_at(good).timestamp(),
    )
    yield of_each(
        "last_proven_timestamp_seconds",
        "Time of the data in the newest backup that a drill restored.",
        lambda facts: _stamp(facts.proven_until),
    )
    yield of_good("age_seconds", "Age of the newest good backup.", lambda good: (now - taken_at(good)).total_seconds())
    yield of_each(
        "freshness_limit_seconds",
        "The age from which on the newest good backup is overdue.",
        lambda facts: _seconds(
            facts.overdue_from - taken_at(facts.good) if facts.overdue_from and facts.good else None
        ),
    )
    yield of_each(
        "overdue_timestamp_seconds",
        "From when on the instance is overdue without another good backup.",
        lambda facts: _stamp(facts.overdue_from),
    )
    yield of_each("next_run_timestamp_seconds", "When a schedule runs next.", lambda facts: _stamp(facts.next_run))
    yield of_good("duration_seconds", "How long the newest good backup took.", lambda good: _seconds(good.duration))
    yield of_good("archive_bytes", "Size of the newest good archive.", lambda good: good.compressed_size_bytes)
    yield of_good("data_bytes", "Size of the data in the newest good backup.", lambda good: good.size_bytes)
    yield of_good("records", "Rows of the databases in the newest good backup.", _records)
    yield of_each(
        "drill_seconds",
        "How long the last drill that passed took to restore.",
        lambda facts: _seconds(facts.restore_time),
    )
    yield of_each("failures", "Failed runs of a schedule in a row.", lambda facts: facts.outlook.failures)
    yield gauge(
        "instance_level", "0 protected, 1 at risk, 2 unprotected.", [LABEL],
        [([verdict.instance], verdict.level.exit_code) for verdict in found],
    )  # fmt: skip
    yield gauge(
        "instance_reason",
        "1 for each cause that lowers the level of an instance.",
        [LABEL, "code", "subject", "level", "accepted"],
        [(labels, 1) for verdict in found for labels in _reasons_of(verdict)],
    )


def _records(good: BackupExecution) -> float | None:
    counted = [amount["rows"] for amount in good.amounts or [] if amount["rows"] is not None]
    return sum(counted) if counted else None


def _reasons_of(verdict: Verdict) -> set[tuple[str, ...]]:
    # two reasons with the same labels would be one series twice, which Prometheus refuses
    return {
        (verdict.instance, reason.code, reason.subject, reason.level.value, "yes" if reason.accepted else "no")
        for reason in verdict.reasons
    }


def _stamp(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _seconds(period: timedelta | None) -> float | None:
    return period.total_seconds() if period is not None else None
