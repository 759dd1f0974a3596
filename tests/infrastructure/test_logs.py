"""The log groups: kept as long as the settings say, gone with the stack."""

from typing import Any

GROUP = "AWS::Logs::LogGroup"


def test_each_writer_of_logs_has_a_group_of_its_own(dev: Any) -> None:
    assert set(dev.all(GROUP)) == {
        "Runtime/ApiLog",
        "Runtime/TransformLog",
        "Delivery/Log",
        "Pipe/Log",
        "Lake/EmptyingLog",
    }


def test_logs_are_kept_as_long_as_the_settings_say(dev: Any, prod: Any) -> None:
    assert {group["Properties"]["RetentionInDays"] for group in dev.all(GROUP).values()} == {30}
    assert {group["Properties"]["RetentionInDays"] for group in prod.all(GROUP).values()} == {3653}


def test_logs_go_with_the_stack_in_every_stage(dev: Any, prod: Any) -> None:
    for deployment in (dev, prod):
        for group in deployment.all(GROUP).values():
            assert group["DeletionPolicy"] == "Delete"


def test_only_the_group_that_aws_delivers_to_has_a_fixed_name(dev: Any) -> None:
    names = {
        path: group["Properties"].get("LogGroupName") for path, group in dev.all(GROUP).items()
    }
    assert {path: name for path, name in names.items() if name} == {
        "Pipe/Log": "/aws/vendedlogs/pipes/Sluice-dev"
    }
