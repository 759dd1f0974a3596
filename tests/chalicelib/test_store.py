from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError, ParamValidationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from chalicelib.attributes import plain
from chalicelib.declaration import EPOCH_MS_MAX
from chalicelib.errors import TooLarge, Unavailable
from chalicelib.schema import TABLE
from chalicelib.store import BATCH_SECONDS, CLIENT_CONFIG, RecordStore, connect
from chalicelib.times import likely_unit
from chalicelib.validation import Validator

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

VALIDATOR = Validator(TABLE)

Script = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]

THROTTLED = (400, {"__type": "x#ProvisionedThroughputExceededException", "message": "slow down"})


@pytest.fixture
def table(dynamodb: "DynamoDBClient", table_name: str) -> RecordStore:
    return RecordStore(dynamodb, table_name, TABLE)


@pytest.fixture
def connected(
    aws_environment: pytest.MonkeyPatch, closed_endpoint: str
) -> Iterator[Callable[[], RecordStore]]:
    """Connects as the function does, by the environment; nothing listens at its endpoint."""
    aws_environment.setenv("AWS_ENDPOINT_URL", closed_endpoint)
    aws_environment.setenv("TABLE_NAME", "records")
    connect.cache_clear()
    yield lambda: connect(TABLE)
    connect.cache_clear()


@pytest.fixture
def scripted_table(
    aws_environment: pytest.MonkeyPatch, scripted_dynamodb: Callable[[Script], str]
) -> Callable[..., RecordStore]:
    """Makes a table of a DynamoDB that answers by a script."""

    def table(script: Script, batch_seconds: float = BATCH_SECONDS) -> RecordStore:
        aws_environment.setenv("AWS_ENDPOINT_URL", scripted_dynamodb(script))
        client = boto3.Session().client("dynamodb", config=CLIENT_CONFIG)
        return RecordStore(client, "records", TABLE, batch_seconds)

    return table


def record(**fields: Any) -> dict[str, Any]:
    return {"id": "1", "createdAtTime": 1, **fields}


def key(text: str) -> dict[str, Any]:
    return {"id": {"S": text}}


def records(count: int) -> list[dict[str, Any]]:
    return [record(id=f"r{number}", siteId="1") for number in range(count)]


def test_a_record_is_new_once_and_replaces_itself_after(table: RecordStore) -> None:
    assert table.put(record(id="a", siteId="1", name="first")) is True
    assert table.put(record(id="a", siteId="2")) is False
    item = table.get(key("a"))
    assert item is not None
    assert plain(item)["siteId"] == "2"
    assert "name" not in item


def test_a_missing_record_is_none_and_cannot_be_deleted(table: RecordStore) -> None:
    assert table.get(key("a")) is None
    assert table.delete(key("a")) is False


def test_a_deleted_record_is_gone(table: RecordStore) -> None:
    table.put(record(id="a", siteId="1"))
    assert table.delete(key("a")) is True
    assert table.get(key("a")) is None


def test_a_batch_is_written_whole(table: RecordStore) -> None:
    table.put_all(records(60))
    items, last = table.page(100)
    assert {item["id"]["S"] for item in items} == {record["id"] for record in records(60)}
    assert last is None


def test_pages_hold_every_record_once(table: RecordStore) -> None:
    table.put_all(records(7))
    seen: list[str] = []
    after: dict[str, Any] | None = None
    while True:
        items, after = table.page(3, after)
        assert len(items) <= 3
        seen += [item["id"]["S"] for item in items]
        if after is None:
            break
    assert sorted(seen) == [record["id"] for record in records(7)]


def is_plausible(epoch_ms: int) -> bool:
    return likely_unit(TABLE.times[0], epoch_ms) is None


TEXTS = st.text(max_size=40)
VALUES = st.integers(-(2**63), 2**63 - 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.fixed_dictionaries(
        {"siteId": st.text(min_size=1, max_size=20)},
        optional={
            "id": st.text(min_size=1, max_size=40),
            "createdAtTime": st.integers(0, EPOCH_MS_MAX).filter(is_plausible),
            "name": TEXTS,
            "valueOne": VALUES,
            "valueTwo": VALUES,
        },
    )
)
def test_whatever_passes_validation_comes_back_from_the_table_as_it_went(
    table: RecordStore, document: dict[str, Any]
) -> None:
    record = VALIDATOR.record(msgspec.json.encode(document))
    table.put(record)
    item = table.get(key(record["id"]))
    assert item is not None
    assert plain(item).items() >= document.items()
    assert plain(item) == record


def test_the_longest_record_validation_lets_through_fits_the_table(table: RecordStore) -> None:
    body = b'{"siteId":"2","id":"%s","name":"%s"}'
    for text in (b"x", "é".encode(), "🦙".encode()):
        longest = body % (b"1" * 512, text * ((409_600 - 600) // len(text)))
        assert table.put(VALIDATOR.record(longest)) in (True, False)


def test_a_record_too_large_for_dynamodb_is_refused(table: RecordStore) -> None:
    with pytest.raises(TooLarge, match="larger than 400 KB"):
        table.put(record(id="a", siteId="1", name="x" * 409_600))
    assert table.get(key("a")) is None


def test_a_mistake_in_a_request_is_no_problem_of_the_sender(
    dynamodb: "DynamoDBClient", make_table: Callable[[str], str]
) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        RecordStore(dynamodb, make_table("another"), TABLE).put(record(id="a", siteId="1"))
    with pytest.raises(ParamValidationError):
        RecordStore(dynamodb, "", TABLE).get(key("a"))


def test_a_missing_table_is_named_with_the_remedy(dynamodb: "DynamoDBClient") -> None:
    table = RecordStore(dynamodb, "no-such-table", TABLE)
    for call in (
        lambda: table.put(record(siteId="1")),
        lambda: table.put_all(records(2)),
        lambda: table.get(key("a")),
        lambda: table.delete(key("a")),
        lambda: table.page(10),
    ):
        with pytest.raises(Unavailable, match=r"no table no-such-table in us-east-1.*TABLE_NAME"):
            call()


def test_an_endpoint_where_nothing_listens_is_named(
    connected: Callable[[], RecordStore], closed_endpoint: str
) -> None:
    with pytest.raises(Unavailable, match=f"does not answer at {closed_endpoint}") as raised:
        connected().get(key("a"))
    assert raised.value.headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("TABLE_NAME", "environment variable TABLE_NAME is not set"),
        ("AWS_DEFAULT_REGION", "must specify a region"),
        ("AWS_SECRET_ACCESS_KEY", "Partial credentials"),
    ],
)
def test_a_missing_setting_is_named(
    aws_environment: pytest.MonkeyPatch,
    connected: Callable[[], RecordStore],
    variable: str,
    message: str,
) -> None:
    aws_environment.delenv(variable)
    with pytest.raises(Unavailable, match=message):
        connected().get(key("a"))


def test_missing_credentials_are_named_with_the_remedy(
    aws_environment: pytest.MonkeyPatch, connected: Callable[[], RecordStore]
) -> None:
    aws_environment.delenv("AWS_ACCESS_KEY_ID")
    aws_environment.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Unavailable, match=r"no AWS credentials .* AWS_ACCESS_KEY_ID"):
        connected().get(key("a"))


def test_an_endpoint_that_is_no_url_is_named(
    aws_environment: pytest.MonkeyPatch, connected: Callable[[], RecordStore]
) -> None:
    aws_environment.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(Unavailable, match="nonsense"):
        connected()


def test_the_client_is_kept(connected: Callable[[], RecordStore]) -> None:
    assert connected() is connected()


@pytest.mark.parametrize(
    ("answer", "message", "retry_after"),
    [
        (THROTTLED, "throttling the table records", 1),
        ((400, {"__type": "ThrottlingException"}), "throttling", 1),
        ((500, {"__type": "InternalServerError"}), "failed for the moment", 1),
        ((503, {}), "failed for the moment", 1),
        ((400, {"__type": "AccessDeniedException"}), r"refuses .*\(AccessDeniedException\)", None),
        ((400, {"__type": "ExpiredTokenException"}), r"refuses .*\(ExpiredTokenException\)", None),
    ],
)
def test_a_refusal_says_when_to_try_again(
    scripted_table: Callable[..., RecordStore],
    answer: tuple[int, dict[str, Any]],
    message: str,
    retry_after: int | None,
) -> None:
    table = scripted_table(lambda _operation, _request: answer)
    with pytest.raises(Unavailable, match=message) as raised:
        table.put(record(siteId="1"))
    assert raised.value.retry_after == retry_after


class Reluctant:
    """A DynamoDB that takes so many writes of each request, and refuses some requests entirely."""

    def __init__(self, takes: int, refused: range = range(0)) -> None:
        self.takes = takes
        self.refused = refused
        self.requests = 0
        self.taken: list[str] = []

    def __call__(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert operation == "BatchWriteItem"
        self.requests += 1
        if self.requests - 1 in self.refused:
            return THROTTLED
        ((name, writes),) = request["RequestItems"].items()
        assert len(writes) <= 25
        self.taken += [write["PutRequest"]["Item"]["id"]["S"] for write in writes[: self.takes]]
        left = writes[self.takes :]
        return 200, {"UnprocessedItems": {name: left} if left else {}}


@pytest.mark.parametrize(
    "dynamo", [Reluctant(takes=10), Reluctant(takes=25, refused=range(4)), Reluctant(takes=24)]
)
def test_what_dynamodb_leaves_unprocessed_is_sent_again_and_each_record_once(
    scripted_table: Callable[..., RecordStore], dynamo: Reluctant
) -> None:
    scripted_table(dynamo).put_all(records(60))
    assert len(dynamo.taken) == 60
    assert set(dynamo.taken) == {record["id"] for record in records(60)}


def test_a_batch_that_runs_out_of_time_points_at_what_is_not_written(
    scripted_table: Callable[..., RecordStore],
) -> None:
    dynamo = Reluctant(takes=25, refused=range(1, 1_000))
    table = scripted_table(dynamo, batch_seconds=0.2)
    with pytest.raises(
        Unavailable, match=r"did not take the batch in time.* 5 of the 30"
    ) as raised:
        table.put_all(records(30))
    assert [error.pointer for error in raised.value.errors] == [
        f"#/{index}" for index in range(25, 30)
    ]
    assert dynamo.taken == [record["id"] for record in records(25)]
    assert raised.value.retry_after == 1
    assert dynamo.requests > 2


def test_a_batch_that_dynamodb_fails_midway_points_at_what_is_not_known_to_be_written(
    scripted_table: Callable[..., RecordStore],
) -> None:
    answers: Iterator[tuple[int, Any]] = iter([(200, {"UnprocessedItems": {}})])
    table = scripted_table(lambda *_: next(answers, (400, {"__type": "AccessDeniedException"})))
    with pytest.raises(Unavailable, match=r"AccessDenied.* 15 of the 40") as raised:
        table.put_all(records(40))
    assert len(raised.value.errors) == 15


def test_a_record_stays_as_absent_as_it_was(table: RecordStore) -> None:
    table.put(record(id="a", siteId="1", name=UNSET, valueOne=0))
    assert set(table.get(key("a")) or {}) == {"id", "siteId", "createdAtTime", "valueOne"}
