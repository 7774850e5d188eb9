"""How gauges are made."""

from collections.abc import Iterable, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily

Sample = tuple[Sequence[str], float | None]


def gauge(name: str, text: str, labels: Sequence[str], samples: Iterable[Sample]) -> GaugeMetricFamily:
    """Return the gauge backupsite_`name`; a sample whose value is None is not known, and left out."""
    found = GaugeMetricFamily(f"backupsite_{name}", text, labels=labels)
    for values, number in samples:
        if number is not None:
            found.add_metric(values, number)
    return found
