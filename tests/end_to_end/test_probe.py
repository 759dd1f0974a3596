"""The probe against a whole stack. With `--target aws -s` it prints what AWS does."""

import pytest

from chalicelib.schema import KEY
from sluice.probe import QUESTIONS, Probe
from tests.end_to_end.deployment import Deployed


def test_a_stack_answers_every_question_and_its_table_keeps_nothing(
    deployed_stack: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    probe = Probe(deployed_stack.stack, deployed_stack.wait_seconds)
    answers = list(probe.answers())
    with capsys.disabled():
        for each in answers:
            print(f"\n{each.question}\n  {each.answer}\n  {each.depends_on}")

    assert [each.question for each in answers] == [question for question, _, _ in QUESTIONS]
    rendering, _, date, folders, letter, encoder, key = (each.answer for each in answers)
    assert rendering.startswith(("as ", "the field is absent"))
    assert date.startswith("no: ")
    assert folders.startswith("yes: ")
    assert letter.startswith(("yes", "no"))
    assert encoder.startswith(("yes", "no"))
    assert key.startswith("unknown" if deployed_stack.stack.emulated else "yes")
    for name in probe.ids:
        item = deployed_stack.stack.dynamodb.get_item(
            TableName=deployed_stack.stack.output("TableName"), Key={KEY: {"S": name}}
        )
        assert "Item" not in item
