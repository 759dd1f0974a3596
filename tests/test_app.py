import importlib.util
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from chalice.app import IAMAuthorizer
from chalice.test import Client, HTTPResponse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app import app
from chalicelib.declaration import Key, Table
from chalicelib.declared import load
from chalicelib.exact import read_value
from chalicelib.store import connect
from chalicelib.validation import UNADDRESSABLE_KEYS
from sluice.synthesis import Synthesis
from tests.declarations import FILES

if TYPE_CHECKING:
    from chalice.test import TestHTTPClient

ROOT = Path(__file__).parents[1]
JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"

# `chalice local` has no IAM: it warns of every authorised route, and admits everyone.
pytestmark = pytest.mark.filterwarnings("ignore:IAMAuthorizer is not a supported in local mode")


@pytest.fixture
def api(
    aws_environment: pytest.MonkeyPatch, emulator: str, table_name: str
) -> Iterator["TestHTTPClient"]:
    """The API over an empty table. Its stage is none of .chalice/config.json, whose variables
    would take the place of these."""
    aws_environment.setenv("AWS_ENDPOINT_URL", emulator)
    aws_environment.setenv("TABLE_NAME", table_name)
    connect.cache_clear()
    with Client(app, stage_name="test", project_dir=str(ROOT)) as client:
        yield client.http
    connect.cache_clear()


Serve = Callable[[Path], "TestHTTPClient"]


@pytest.fixture
def serve(
    aws_environment: pytest.MonkeyPatch,
    emulator: str,
    make_table: Callable[[tuple[Key, ...]], str],
) -> Iterator[Serve]:
    """Serves the API of another declaration, over an empty table of its key."""
    with ExitStack() as clients:

        def serve(file: Path) -> "TestHTTPClient":
            aws_environment.setenv("AWS_ENDPOINT_URL", emulator)
            aws_environment.setenv("TABLE_NAME", make_table(load(file).key))
            aws_environment.setenv("SLUICE_SCHEMA", str(file))
            spec = importlib.util.spec_from_file_location("app_of_another_table", ROOT / "app.py")
            assert spec
            assert spec.loader
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            client = Client(module.app, stage_name="test", project_dir=str(ROOT))
            return clients.enter_context(client).http

        yield serve


def post(api: "TestHTTPClient", document: Any, path: str = "/records") -> HTTPResponse:
    return api.post(path, headers=JSON, body=json.dumps(document).encode())


def listed(api: "TestHTTPClient") -> list[dict[str, Any]]:
    response = api.get("/records")
    assert response.status_code == 200
    records: list[dict[str, Any]] = response.json_body["records"]
    return records


SAMPLE = {
    "id": "123",
    "siteId": "2",
    "createdAtTime": 1700076551926,
    "name": "Name one",
    "valueOne": 123,
    "valueTwo": 6789,
}


def test_a_new_record_is_created_and_answered_with_its_place(api: "TestHTTPClient") -> None:
    response = post(api, SAMPLE)
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json"
    assert response.json_body == SAMPLE
    assert response.headers["Location"] == "/records/123"
    assert api.get("/records/123").json_body == SAMPLE


def test_a_record_written_again_replaces_the_older_one(api: "TestHTTPClient") -> None:
    post(api, SAMPLE)
    response = post(api, {"id": "123", "siteId": "3", "createdAtTime": 1})
    assert response.status_code == 200
    assert response.headers["Location"] == "/records/123"
    assert api.get("/records/123").json_body == {"id": "123", "siteId": "3", "createdAtTime": 1}


def test_the_answer_holds_what_was_filled_in(api: "TestHTTPClient") -> None:
    stored = post(api, {"siteId": "2"}).json_body
    assert stored.keys() == {"id", "siteId", "createdAtTime"}
    assert listed(api) == [stored]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(min_size=1, max_size=60).filter(lambda key: key not in UNADDRESSABLE_KEYS))
@example("a/b c")
@example("größe ☃ 🦙")
@example("batch")
@example("%41%2F+?#;&=")
@example('"\\\0\n')
@example("{id}")
@example("/")
@example("...")
@example("%2F")
@example("./..")
@example("🦙" * 512)
def test_an_id_of_any_text_survives_post_location_get_and_delete(
    api: "TestHTTPClient", key: str
) -> None:
    location = post(api, {"id": key, "siteId": "1"}).headers["Location"]
    assert api.get(location).json_body["id"] == key
    assert api.delete(location).status_code == 204
    assert api.get(location).status_code == 404


@pytest.mark.parametrize("key", UNADDRESSABLE_KEYS)
def test_an_id_that_no_path_can_name_is_refused(api: "TestHTTPClient", key: str) -> None:
    response = post(api, {"id": key, "siteId": "1"})
    assert response.status_code == 400
    assert "no path can name" in response.json_body["errors"][0]["detail"]
    response = post(api, [{"id": key, "siteId": "1"}], "/records/batch")
    assert [error["pointer"] for error in response.json_body["errors"]] == ["#/0/id"]
    assert listed(api) == []


def test_64_bit_integers_stay_exact_all_the_way(api: "TestHTTPClient") -> None:
    post(api, {**SAMPLE, "valueOne": 2**63 - 1, "valueTwo": -(2**63)})
    body = api.get("/records/123").body
    assert b"9223372036854775807" in body
    assert b"-9223372036854775808" in body


def test_a_missing_record_is_a_404(api: "TestHTTPClient") -> None:
    for response in (
        api.get("/records/none"),
        api.delete("/records/none"),
        api.get("/records/%ff"),
    ):
        assert response.status_code == 404
        assert response.headers["Content-Type"] == PROBLEM


def test_a_deletion_has_no_body(api: "TestHTTPClient") -> None:
    post(api, SAMPLE)
    response = api.delete("/records/123")
    assert (response.status_code, response.body) == (204, b"")


def test_a_bad_record_is_a_400_naming_every_bad_field_and_nothing_is_written(
    api: "TestHTTPClient",
) -> None:
    response = post(api, {"id": "", "name": 1, "colour": "red"})
    assert response.status_code == 400
    assert response.headers["Content-Type"] == PROBLEM
    pointers = {error["pointer"] for error in response.json_body["errors"]}
    assert pointers == {"#/id", "#/siteId", "#/name", "#/colour"}
    assert listed(api) == []


@pytest.mark.parametrize("path", ["/records", "/records/batch"])
@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (JSON, b"", 400),
        (JSON, b"nope", 400),
        (JSON, b"7", 400),
        (JSON, b"\xff\xfe", 400),
        (JSON, b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
        (JSON, b" " * 6_300_000, 413),
        ({"Content-Type": "text/plain"}, b'{"siteId":"1"}', 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"siteId=1", 415),
        ({"content-type": "application/octet-stream"}, b'{"siteId":"1"}', 415),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(
    api: "TestHTTPClient", path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    response = api.post(path, headers=headers, body=body)
    assert response.status_code == response.json_body["status"] == status
    assert response.headers["Content-Type"] == PROBLEM
    assert listed(api) == []


def test_a_batch_is_written_and_answers_its_ids_in_order(api: "TestHTTPClient") -> None:
    documents = [{"id": f"r{number}", "siteId": str(number % 20)} for number in range(500)]
    response = post(api, documents, "/records/batch")
    assert response.status_code == 200
    assert response.json_body == {"ids": [f"r{number}" for number in range(500)]}
    assert len(api.get("/records?limit=1000").json_body["records"]) == 500


def test_a_batch_with_one_bad_record_writes_nothing(api: "TestHTTPClient") -> None:
    documents = [{"siteId": "1"} for _ in range(60)]
    documents[17]["siteId"] = ""
    response = post(api, documents, "/records/batch")
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json_body["errors"]] == ["#/17/siteId"]
    assert listed(api) == []


def test_a_batch_with_an_id_twice_writes_nothing(api: "TestHTTPClient") -> None:
    response = post(api, [{"id": "a", "siteId": "1"}] * 2, "/records/batch")
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json_body["errors"]] == ["#/1/id"]
    assert listed(api) == []


def test_pages_hold_every_record_once(api: "TestHTTPClient") -> None:
    post(api, [{"id": f"é/{number}", "siteId": "1"} for number in range(7)], "/records/batch")
    seen: list[str] = []
    query = "?limit=3"
    while query:
        page = api.get("/records" + query).json_body
        seen += [record["id"] for record in page["records"]]
        token = page.get("nextToken")
        query = f"?limit=3&token={token}" if token else ""
    assert sorted(seen) == [f"é/{number}" for number in range(7)]


def test_a_page_of_large_records_is_shortened_to_what_lambda_can_answer(
    api: "TestHTTPClient",
) -> None:
    written = set()
    for number in range(12):
        record = {"id": f"large-{number}", "siteId": "2", "name": "\x01" * 60_000}
        assert post(api, record).status_code == 201
        written.add(record["id"])
    seen, query, pages = set(), "", 0
    while True:
        answer = api.get(f"/records{query}")
        assert len(json.dumps({"body": answer.body.decode()})) < 6_000_000
        seen |= {record["id"] for record in answer.json_body["records"]}
        pages += 1
        if (token := answer.json_body.get("nextToken")) is None:
            break
        query = f"?token={token}"
    assert seen == written
    assert pages > 1


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=ten", "token=x", "token=", "limit=&token=", "colour=red", "limit=1&limit=2"],
)
def test_a_bad_parameter_is_a_400(api: "TestHTTPClient", query: str) -> None:
    response = api.get(f"/records?{query}")
    assert response.status_code == 400
    assert response.headers["Content-Type"] == PROBLEM


def test_an_item_that_others_wrote_is_answered_too(
    api: "TestHTTPClient", dynamodb: Any, table_name: str
) -> None:
    item = {
        "id": {"S": "odd"},
        "n": {"N": "0.12345678901234567890123456789"},
        "b": {"B": b"\0"},
        "s": {"NS": ["2", "1"]},
    }
    dynamodb.put_item(TableName=table_name, Item=item)
    response = api.get("/records/odd")
    assert b'"n":0.12345678901234567890123456789,' in response.body
    assert response.json_body["b"] == "AA=="
    assert response.json_body["s"] == [1, 2]


def records_of(table: Table, count: int) -> list[dict[str, Any]]:
    """Records of all kinds of a table that the API takes."""
    accepted = {shape.kind for shape in table.accepted_shapes}
    chance = random.Random(1)  # noqa: S311
    made_up = Synthesis(table, chance, groups=3, minutes=30).records(count)
    return [dict(record) for kind, record in made_up if kind in accepted]


encoded = msgspec.json.Encoder(decimal_format="number").encode


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_records_of_any_declared_table_are_written_read_listed_and_deleted(
    serve: Serve, file: Path
) -> None:
    api, table = serve(file), load(file)
    posted = records_of(table, 12)
    one, *others = posted
    response = api.post("/records", headers=JSON, body=encoded(one))
    assert response.status_code == 201, response.body
    location = response.headers["Location"]
    assert location.count("/") == 1 + len(table.key)
    stored = read_value(api.get(location).body)
    assert stored == read_value(response.body)
    assert stored.keys() >= one.keys()
    assert [stored[name] for name in table.key_names] == [
        read_value(encoded(one[name])) for name in table.key_names
    ]

    response = api.post("/records/batch", headers=JSON, body=encoded(others))
    keys = [[record[name] for name in table.key_names] for record in others]
    assert read_value(response.body) == read_value(
        encoded({"ids": [key if len(key) > 1 else key[0] for key in keys]})
    )
    seen, query = [], "?limit=3"
    while query:
        page = read_value(api.get("/records" + query).body)
        seen += [tuple(record[name] for name in table.key_names) for record in page["records"]]
        token = page.get("nextToken")
        query = f"?limit=3&token={token}" if token else ""
    assert len(seen) == len(set(seen)) == len(posted)

    assert api.delete(location).status_code == 204
    assert api.get(location).status_code == 404


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ({"pk": "batch", "sk": "a/b"}, "/records/batch/a%2Fb"),
        ({"pk": "/", "sk": "batch"}, "/records/%2F/batch"),
        ({"pk": "...", "sk": "%2F"}, "/records/.../%252F"),
    ],
)
def test_two_texts_make_a_path(serve: Serve, tmp_path: Path, key: Any, path: str) -> None:
    api = serve(declared_in(tmp_path, 'Table(key=(Key("pk"), Key("sk")))'))
    response = post(api, key)
    assert response.headers["Location"] == path
    assert api.get(path).json_body == key
    assert api.delete(path).status_code == 204


def test_a_binary_and_a_numeric_part_of_a_key_are_base64_and_digits(
    serve: Serve, tmp_path: Path
) -> None:
    api = serve(declared_in(tmp_path, 'Table(key=(Key("hash value", "B"), Key("n.o", "N")))'))
    record = {"hash value": "+/8=", "n.o": -1.5, "rest": [None, {"a": True}]}
    response = post(api, record)
    assert (response.status_code, response.headers["Location"]) == (201, "/records/-_8%3D/-1.5")
    assert api.get("/records/-_8%3D/-1.5").json_body == record
    assert api.get("/records/%2B%2F8%3D/-1.5").json_body == record
    assert api.get("/records/%2B%2F8%3D/-15e-1").json_body == record
    assert post(api, {"hash value": "+/8=", "n.o": -1.5}).status_code == 200
    batch = [{"hash value": "+/8=", "n.o": 1}, {"hash value": "+/8=", "n.o": 1.0}]
    errors = post(api, batch, "/records/batch").json_body["errors"]
    assert errors == [
        {
            "pointer": "#/1",
            "detail": "has the hash value and n.o of #/0 too; a batch may write a record only "
            "once.",
        }
    ]
    for path in ("/records/x/1", "/records/%2B%2F8%3D/x", "/records/%2B%2F8%3D/1e999"):
        response = api.get(path)
        assert (response.status_code, response.headers["Content-Type"]) == (404, PROBLEM)
    paths = api.get("/openapi.json").json_body["paths"]
    assert [each["name"] for each in paths["/records/{key1}/{key2}"]["get"]["parameters"]] == [
        "key1",
        "key2",
    ]


def declared_in(folder: Path, table: str) -> Path:
    file = folder / "declaration.py"
    file.write_text(f"from chalicelib.declaration import *\n\nTABLE = {table}\n")
    return file


CALLS: list[Callable[["TestHTTPClient"], HTTPResponse]] = [
    lambda api: post(api, SAMPLE),
    lambda api: post(api, [SAMPLE], "/records/batch"),
    lambda api: api.get("/records"),
    lambda api: api.get("/records/123"),
    lambda api: api.delete("/records/123"),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_table_is_a_503(
    api: "TestHTTPClient",
    aws_environment: pytest.MonkeyPatch,
    call: Callable[["TestHTTPClient"], HTTPResponse],
) -> None:
    aws_environment.setenv("TABLE_NAME", "no-such-table")
    response = call(api)
    assert response.status_code == 503
    assert response.headers["Content-Type"] == PROBLEM
    assert "no table no-such-table" in response.json_body["detail"]


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_table_name_is_a_503_naming_the_variable(
    api: "TestHTTPClient",
    aws_environment: pytest.MonkeyPatch,
    call: Callable[["TestHTTPClient"], HTTPResponse],
) -> None:
    aws_environment.delenv("TABLE_NAME")
    response = call(api)
    assert response.status_code == 503
    assert "TABLE_NAME is not set" in response.json_body["detail"]


def test_an_absent_dynamodb_is_a_503_that_says_when_to_try_again(
    api: "TestHTTPClient", aws_environment: pytest.MonkeyPatch, closed_endpoint: str
) -> None:
    aws_environment.setenv("AWS_ENDPOINT_URL", closed_endpoint)
    response = api.get("/records/123")
    assert response.status_code == 503
    assert closed_endpoint in response.json_body["detail"]
    assert response.headers["Retry-After"] == "5"


def test_throttling_is_a_503_that_says_when_to_try_again(
    api: "TestHTTPClient",
    aws_environment: pytest.MonkeyPatch,
    scripted_dynamodb: Callable[..., str],
) -> None:
    throttled = (400, {"__type": "ProvisionedThroughputExceededException"})
    aws_environment.setenv("AWS_ENDPOINT_URL", scripted_dynamodb(lambda *_: throttled))
    response = post(api, SAMPLE)
    assert response.status_code == 503
    assert "throttling" in response.json_body["detail"]
    assert response.headers["Retry-After"] == "1"


def test_an_unexpected_failure_is_a_500_that_tells_nothing_of_the_payload(
    api: "TestHTTPClient",
    aws_environment: pytest.MonkeyPatch,
    make_table: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    aws_environment.setenv("TABLE_NAME", make_table("another"))
    response = post(api, {**SAMPLE, "name": "a secret"})
    assert response.status_code == 500
    assert response.headers["Content-Type"] == PROBLEM
    logged = capsys.readouterr()
    assert "ClientError" in logged.out
    assert "secret" not in logged.out + logged.err + response.body.decode()


def gateway_event(body: str, base64: bool = False) -> dict[str, Any]:
    """A POST as API Gateway's Lambda proxy integration sends it, from the stage `live`."""
    return {
        "resource": "/records",
        "path": "/records",
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "stage": "live",
            "path": "/live/records",
            "resourcePath": "/records",
            "httpMethod": "POST",
        },
        "body": body,
        "isBase64Encoded": base64,
    }


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    "event",
    [
        gateway_event('{"id":"a/b","siteId":"1"}'),
        gateway_event("eyJpZCI6ImEvYiIsInNpdGVJZCI6IjEifQ==", base64=True),
    ],
)
def test_behind_api_gateway_a_location_has_the_stage_and_a_body_may_be_base64(
    event: dict[str, Any],
) -> None:
    response = app(event, None)
    assert response["statusCode"] == 201
    assert response["headers"]["Location"] == "/live/records/a%2Fb"
    json.dumps(response)


def test_the_api_describes_itself(api: "TestHTTPClient") -> None:
    response = api.get("/openapi.json")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json_body["openapi"] == "3.1.0"
    assert response.json_body["servers"] == [{"url": "/"}]


def test_every_route_asks_for_iam() -> None:
    routes = [route for methods in app.routes.values() for route in methods.values()]
    assert {(route.method, route.uri_pattern) for route in routes} >= {
        ("POST", "/records"),
        ("POST", "/records/batch"),
        ("GET", "/records"),
        ("GET", "/records/{id}"),
        ("DELETE", "/records/{id}"),
        ("GET", "/openapi.json"),
    }
    assert all(isinstance(route.authorizer, IAMAuthorizer) for route in routes)


def test_importing_the_app_imports_no_boto3_and_needs_no_environment() -> None:
    program = "import sys, app; sys.exit(bool({'boto3', 'botocore'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env={}, check=True)


def test_a_cold_transform_waits_for_no_check_of_the_declaration() -> None:
    program = (
        "import sys, app, chalicelib.transform as t; t.deployed_transformer(); "
        "sys.exit('chalicelib.mistakes' in sys.modules)"
    )
    environment = {
        "AWS_LAMBDA_FUNCTION_NAME": "transform",
        "LAYOUT": "year",
        "CHANGE_TYPES": "INSERT",
    }
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)


def test_chalice_local_answers_another_host_with_a_problem(
    api: "TestHTTPClient", aws_environment: pytest.MonkeyPatch
) -> None:
    aws_environment.setenv("AWS_CHALICE_CLI_MODE", "true")
    response = api.get("/records", headers={"Host": "evil.example"})
    assert (response.status_code, response.headers["Content-Type"]) == (403, PROBLEM)
    assert api.get("/records", headers={"Host": "localhost"}).status_code == 200
