"""The stack under test: on this machine by default, on an account with `--target aws`."""

from collections.abc import Iterator

import boto3
import pytest

from local.session import STACK_NAME, Options, deployed
from sluice.api import Api
from sluice.stack import Stack
from tests.end_to_end.deployment import TEMPLATES, Deployed

FEED_SETTINGS = {"pipe": (), "function": ("feed=function", "feed_window_seconds=1")}
"""Both feeds wait as long for a batch to fill."""


@pytest.fixture(scope="session")
def stack_under_test(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    if request.config.getoption("--target") == "aws":
        stack = Stack.named(request.config.getoption("--stack-name"))
        yield Deployed(stack, Api(stack.api_url), boto3.client("firehose"), 300, None)
        return
    folder = tmp_path_factory.mktemp("local-run")
    emulator: str = request.getfixturevalue("emulator")
    missing_path = request.config.getoption("--missing-path")
    template = TEMPLATES[missing_path] if missing_path else None
    settings = FEED_SETTINGS[request.config.getoption("--feed")]
    options = Options(buffer_seconds=1, input_template=template, settings=settings)
    with deployed(emulator, options, folder, print) as session:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in session.environment.items():
                environment.setenv(name, value)
            stack = Stack.named(STACK_NAME)
            under_test = Deployed(stack, Api(stack.api_url), boto3.client("firehose"), 30, session)
            under_test.objects("data/")
        yield under_test


@pytest.fixture
def deployed_stack(stack_under_test: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """The stack, with the environment of a client of it."""
    if stack_under_test.local:
        for name, value in stack_under_test.local.environment.items():
            monkeypatch.setenv(name, value)
    stack_under_test.settle()
    return stack_under_test
