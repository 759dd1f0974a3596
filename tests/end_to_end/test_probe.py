"""The probe against a whole stack. With `--target aws -s` it prints what AWS does."""

import time
from base64 import b64decode

import pytest

from sluice.probe.items import Probe
from sluice.probe.questions import QUESTIONS
from sluice.probe.questions import answers as answers_of
from tests.end_to_end.deployment import Deployed


def has_its_deletion(deployed: Deployed, name: str) -> bool:
    """Whether the deletion of a record has arrived, in the lake or in quarantine."""
    delivered = [line for lines in deployed.objects("data/").values() for line in lines]
    failed = [
        b64decode(line.get("rawData", ""))
        for lines in deployed.objects("errors/").values()
        for line in lines
    ]
    return any(line["id"] == name and line["changeType"] == "REMOVE" for line in delivered) or any(
        name.encode() in raw and b'"OldImage"' in raw for raw in failed
    )


def test_a_stack_answers_every_question_and_its_table_keeps_nothing(
    deployed_stack: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    probe = Probe(deployed_stack.stack, deployed_stack.wait_seconds)
    answers = list(answers_of(probe))
    with capsys.disabled():
        for each in answers:
            print(f"\n{each.question}\n  {each.answer}\n  {each.depends_on}")

    assert [each.question for each in answers] == [question for question, _, _ in QUESTIONS]
    rendering, _, packed, date, folders, letter, encoder, key = (each.answer for each in answers)
    if deployed_stack.stack.feed == "pipe":
        assert rendering.startswith(("as ", "the field is absent"))
        assert letter.startswith(("yes", "no"))
    else:
        assert packed.startswith(("the change", "a record of "))
    assert date.startswith("no: ")
    assert folders.startswith("yes: ")
    assert encoder.startswith(("yes", "no"))
    assert key.startswith("unknown" if deployed_stack.stack.emulated else "yes")
    for name in probe.ids:
        item = deployed_stack.stack.dynamodb.get_item(
            TableName=deployed_stack.stack.output("TableName"), Key={"id": {"S": name}}
        )
        assert "Item" not in item
    # They arrive before another test counts what fails.
    deadline = time.monotonic() + deployed_stack.wait_seconds
    while not all(has_its_deletion(deployed_stack, name) for name in probe.ids):
        assert time.monotonic() < deadline, "the deletions do not arrive"
        time.sleep(0.1)
