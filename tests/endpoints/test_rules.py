"""The alert rules and the dashboard of docs/monitoring name metrics and labels that a scrape has."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from backups.models import KeyCheck
from destinations.models import DestinationTest
from tests.endpoints.test_health import beats
from tests.support.paths import PROJECT
from tests.support.rows import a_copy, a_destination, a_drill, an_execution

FOLDER = PROJECT / "docs" / "monitoring"
NAME = re.compile(r"\bbackupsite_[a-z_]+\b")
SELECTED = re.compile(r"\b(backupsite_[a-z_]+)\{([^}]*)\}")
LABEL = re.compile(r'([a-z_]+)\s*(?:=~|!=|!~|=)\s*"')
GROUPED = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
SHOWN = re.compile(r"\{\{\s*\$labels\.([a-z_]+)")
LEGEND = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")


def rules() -> list[dict[str, Any]]:
    found = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Yield each expression with the texts that show its labels."""
    for rule in rules():
        yield rule["expr"], " ".join(SHOWN.findall(" ".join(rule["annotations"].values())))
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"], " ".join(LEGEND.findall(target["legendFormat"]))


@pytest.fixture
def metrics(home: object, shop: None, token: str, db: None) -> dict[str, Metric]:
    """Return the families of a site in which everything has a value."""
    beats()
    nas = a_destination()
    nas.record_free_space(1)
    amounts = [{"component": "orders", "rows": 7, "files": None, "bytes": 1}]
    backup = an_execution(destination=nas, amounts=amounts)
    a_drill(backup, verdict="passed", seconds=1.0)
    a_copy(backup, a_destination("cloud"), locked_until=timezone.now())
    DestinationTest.objects.create(destination=nas)
    KeyCheck.objects.create(destination=nas, next_at=timezone.now(), problem="Lost.")
    text = Client().get("/metrics", headers={"Authorization": f"Bearer {token}"}).content.decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_every_metric_and_label_that_they_name_exists(metrics: dict[str, Metric]) -> None:
    wrong = []
    for expression, shown in expressions():
        names = set(NAME.findall(expression))
        assert names or expression.startswith("up{"), expression
        wrong += [name for name in names if name not in metrics or not metrics[name].samples]
        for name, selector in SELECTED.findall(expression):
            wrong += [f"{name}{{{label}}}" for label in LABEL.findall(selector) if label not in labels(metrics, [name])]
        used = {word.strip() for group in GROUPED.findall(expression) for word in group.split(",")} | {*shown.split()}
        wrong += [f"{label} of {expression}" for label in used if names and label not in labels(metrics, names)]
    assert wrong == []


def labels(metrics: dict[str, Metric], names: object) -> set[str]:
    assert isinstance(names, list | set)
    return {label for name in names if name in metrics for sample in metrics[name].samples for label in sample.labels}


def test_every_expression_is_closed_and_every_rule_says_what_to_do() -> None:
    for expression, _ in expressions():
        assert all(expression.count(left) == expression.count(right) for left, right in ("()", "{}", "[]"))
        assert expression.count('"') % 2 == 0
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10
    for rule in rules():
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_every_metric_is_documented_and_every_documented_one_exists(metrics: dict[str, Metric]) -> None:
    documented = set(re.findall(r"^\| `(backupsite_[a-z_]+)", (PROJECT / "docs" / "monitoring.md").read_text(), re.M))
    assert documented == set(metrics)
