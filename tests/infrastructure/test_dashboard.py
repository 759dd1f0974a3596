"""The dashboard."""

import json
from typing import Any

ALARM = "AWS::CloudWatch::Alarm"


def widgets(deployment: Any, kind: str) -> list[Any]:
    body = json.loads(deployment["Dashboard/Dashboard"]["DashboardBody"])
    return [each["properties"] for each in body["widgets"] if each["type"] == kind]


def test_the_dashboard_is_named_after_its_stack(dev: Any, prod: Any) -> None:
    for deployment in (dev, prod):
        assert deployment["Dashboard/Dashboard"]["DashboardName"] == deployment.name


def test_the_dashboard_begins_with_the_state_of_every_alarm(dev: Any) -> None:
    (states,) = widgets(dev, "alarm")
    assert set(states["alarms"]) == {
        f"${{{path}.Arn}}" for path in dev.all("AWS::CloudWatch::Alarm")
    }


def test_whatever_is_watched_is_shown(dev: Any) -> None:
    shown = {tuple(metric[:2]) for graph in widgets(dev, "metric") for metric in graph["metrics"]}
    watched = [
        query["MetricStat"]["Metric"] if "MetricStat" in query else query
        for alarm in dev.all(ALARM).values()
        for query in alarm["Properties"].get("Metrics", [alarm["Properties"]])
        if "Expression" not in query
    ]
    assert {(metric["Namespace"], metric["MetricName"]) for metric in watched} <= shown


def test_a_limit_is_drawn_where_its_metric_is(dev: Any) -> None:
    drawn = {
        line["label"]: line["value"]
        for graph in widgets(dev, "metric")
        for line in graph.get("annotations", {}).get("horizontal", [])
    }
    assert drawn == {
        name: dev[f"Alarms/{name}"]["Threshold"]
        for name in ("DeliveryLate", "DeliveryFailing", "TransformSlow")
    }


def test_the_graphs_fill_rows_without_overlap(dev: Any) -> None:
    body = json.loads(dev["Dashboard/Dashboard"]["DashboardBody"])
    places = [(each["x"], each["y"]) for each in body["widgets"]]
    assert len(set(places)) == len(places)
    assert all(each["x"] + each["width"] <= 24 for each in body["widgets"])
