"""Each command of `sluice` against the rights that it is declared to need.

The commands run against the deployed stack, and botocore says which calls they make. What a service
does with its caller's rights no call shows: that stands in IMPLIED, from AWS's documentation.
"""

import base64
import fnmatch
import gzip
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from chalicelib.objects import delete
from infrastructure.operators import OPERATORS
from infrastructure.settings import DeploymentSettings
from sluice.cli import sluice
from sluice.compaction.tables import is_compacted
from sluice.recovery.progress import Progress
from sluice.stack import Stack
from tests.end_to_end.deployment import Deployed
from tests.policies import granted

Call = tuple[str, str]
"""An action, and the ARN that it is asked of."""

ARN = "arn:aws:{}:us-east-1:000000000000:{}"

GLUE_CATALOG = ARN.format("glue", "catalog")

SERVICES = {"monitoring": "cloudwatch", "streams.dynamodb": "dynamodb"}
ACTIONS = {
    "ListObjectsV2": "ListBucket",
    "CopyObject": "PutObject",
    "DeleteObjects": "DeleteObject",
    "HeadObject": "GetObject",
    "ListObjectVersions": "ListBucketVersions",
    "Invoke": "InvokeFunction",
}
COMPACTED_DAY = "2001-02-03"
"""A day of event time that no other test writes."""


def on(stack: Stack, service: str, operation: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    """The ARN that a call asks for."""
    output = stack.outputs
    bucket = f"arn:aws:s3:::{output['BucketName']}"
    match service, operation:
        case "s3", "ListObjectsV2" | "ListObjectVersions":
            yield bucket
        case "s3", "DeleteObjects":
            for each in parameters["Delete"]["Objects"]:
                yield f"{bucket}/{each['Key']}"
        case "s3", _:
            yield f"{bucket}/{parameters['Key']}"
        case "glue", "GetDatabase":
            yield from (ARN.format("glue", f"database/{parameters['Name']}"), GLUE_CATALOG)
        case "glue", _:
            name = parameters.get("Name") or parameters["TableInput"]["Name"]
            database = parameters["DatabaseName"]
            yield GLUE_CATALOG
            for each in (f"database/{database}", f"table/{database}/{name}"):
                yield ARN.format("glue", each)
        case "cloudwatch", _:
            yield "*"
        case "athena", "GetTableMetadata":
            yield ARN.format("athena", f"datacatalog/{parameters['CatalogName']}")
        case "athena", _:
            yield ARN.format("athena", f"workgroup/{output['WorkgroupName']}")
        case "dynamodb", ("DescribeStream" | "GetRecords" | "GetShardIterator"):
            yield ARN.format("dynamodb", f"table/{output['TableName']}/stream/now")
        case "dynamodb", _:
            yield ARN.format("dynamodb", f"table/{output['TableName']}")
        case "firehose", _:
            yield ARN.format("firehose", f"deliverystream/{parameters['DeliveryStreamName']}")
        case "pipes", _:
            yield ARN.format("pipes", f"pipe/{parameters['Name']}")
        case "lambda", "GetEventSourceMapping":
            yield ARN.format("lambda", f"event-source-mapping:{parameters['UUID']}")
        case "lambda", _:
            yield ARN.format("lambda", f"function:{parameters['FunctionName']}")
        case "logs", _:
            yield ARN.format("logs", f"log-group:{parameters['logGroupName']}:*")
        case "sqs", _:
            yield ARN.format("sqs", parameters["QueueUrl"].rpartition("/")[2])
        case "cloudformation", _:
            yield ARN.format("cloudformation", f"stack/{parameters['StackName']}/id")
        case _:
            raise AssertionError(f"{service}:{operation} is not known here")


def feed_names(stack: Stack) -> dict[str, str]:
    """What the feed is made of, by its name in the table."""
    if stack.feed == "function":
        return {"${FunctionFeed/Mapping}": stack.output("FeedMapping")}
    queue = stack.output("DeadLetterQueueUrl").rpartition("/")[2]
    return {
        "${Pipe/Pipe.Arn}": ARN.format("pipes", f"pipe/{stack.output('PipeName')}"),
        "${Pipe/DeadLetters.Arn}": ARN.format("sqs", queue),
    }


def physical(stack: Stack, grant: str) -> str:
    """A resource of the table as an ARN of the deployed stack, maybe with `*`."""
    output = stack.outputs
    names = {
        "${Lake/Bucket.Arn}": f"arn:aws:s3:::{output['BucketName']}",
        "${Delivery/Stream.Arn}": ARN.format("firehose", f"deliverystream/{output['StreamName']}"),
        **feed_names(stack),
        "${Transform.Arn}": ARN.format("lambda", f"function:{output['TransformName']}"),
        "${Records/Table.Arn}": ARN.format("dynamodb", f"table/{output['TableName']}"),
        "${Records/Table.StreamArn}": ARN.format(
            "dynamodb", f"table/{output['TableName']}/stream/now"
        ),
        "${Catalog/WorkGroup}": output["WorkgroupName"],
        "${Catalog/Database}": output["DatabaseName"],
        **{
            f"${{{path}.Arn}}": ARN.format("logs", f"log-group:{output[name]}:*")
            for path, name in (
                ("Runtime/TransformLog", "TransformLogName"),
                ("Runtime/ApiLog", "ApiLogName"),
                ("Pipe/Log", "PipeLogName")
                if stack.feed == "pipe"
                else ("FunctionFeed/Log", "FeedLogName"),
                ("Delivery/Log", "FirehoseLogName"),
            )
        },
        "${Encryption/Key.Arn}": "the key",
        "${RestAPI}": "the API",
        "${AWS::Partition}": "aws",
        "${AWS::Region}": "us-east-1",
        "${AWS::AccountId}": "000000000000",
    }
    for name, value in names.items():
        grant = grant.replace(name, value)
    assert "${" not in grant, grant
    return grant


def implied(stack: Stack, action: str, arn: str, parameters: Mapping[str, Any]) -> Iterator[Call]:
    """What a service asks for on behalf of the caller of an action.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html
    https://docs.aws.amazon.com/firehose/latest/dev/encryption.html
    """
    bucket = f"arn:aws:s3:::{stack.bucket}"
    results = f"{bucket}/query-results/any"
    reads, writes = ("kms:Decrypt", "the key"), ("kms:GenerateDataKey", "the key")
    match action:
        case (
            "s3:GetObjectVersion"
            | "s3:GetObject"
            | "sqs:ReceiveMessage"
            | "dynamodb:Scan"
            | "dynamodb:GetRecords"
        ):
            yield reads
        case "s3:PutObject" if "CopySource" in parameters:
            yield from [("s3:GetObject", f"{bucket}/{parameters['CopySource']['Key']}"), writes]
        case "s3:PutObject":
            if "IfMatch" in parameters:
                yield "s3:GetObject", arn
            yield writes
        case "firehose:PutRecordBatch":
            yield from [reads, writes]
        case "athena:StartQueryExecution":
            yield from [reads, writes]
            # Ctrl-C stops a query: the only call here that a plain run does not make.
            yield "athena:StopQueryExecution", arn
            for each in ("catalog", f"database/{stack.output('DatabaseName')}"):
                for glue in ("GetDatabase", "GetTable", "GetPartitions"):
                    yield f"glue:{glue}", ARN.format("glue", each)
            for glue in ("GetDatabase", "GetTable", "GetPartitions"):
                table = f"table/{stack.output('DatabaseName')}/changes"
                yield f"glue:{glue}", ARN.format("glue", table)
            for s3 in ("GetBucketLocation", "ListBucket", "ListBucketMultipartUploads"):
                yield f"s3:{s3}", bucket
            for s3 in (
                "AbortMultipartUpload",
                "GetObject",
                "ListMultipartUploadParts",
                "PutObject",
            ):
                yield f"s3:{s3}", results
            for prefix in ("data", "iceberg"):
                yield "s3:GetObject", f"{bucket}/{prefix}/any"


def asked_of_athena(stack: Stack) -> set[Call]:
    """What a command asks for whose queries run in Athena."""
    workgroup = ARN.format("athena", f"workgroup/{stack.output('WorkgroupName')}")
    actions = ("StartQueryExecution", "GetQueryExecution", "GetQueryResults")
    calls = {(f"athena:{action}", workgroup) for action in actions}
    return calls | set(implied(stack, "athena:StartQueryExecution", workgroup, {}))


def asked_by_pyiceberg(stack: Stack) -> set[Call]:
    """What pyiceberg asks for while it reads and writes the files of a table.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    files = f"arn:aws:s3:::{stack.bucket}/iceberg/any"
    calls = {(f"s3:{action}Object", files) for action in ("Get", "Put", "Delete")}
    return calls | {("kms:Decrypt", "the key"), ("kms:GenerateDataKey", "the key")}


class Recorder:
    """Every call that a client of this process makes while it is watched, with what it implies."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.calls: set[Call] = set()

    def __call__(self, params: Mapping[str, Any], model: Any, **_rest: Any) -> None:
        prefix = model.service_model.endpoint_prefix
        service = SERVICES.get(prefix, prefix)
        of_versions = service == "s3" and "'VersionId'" in str(params.get("Delete", params))
        action = f"{service}:{ACTIONS.get(model.name, model.name)}{'Version' * of_versions}"
        for arn in on(self._stack, service, model.name, params):
            self.calls.add((action, arn))
            self.calls.update(implied(self._stack, action, arn, params))


@pytest.fixture
def recorder(deployed_stack: Deployed, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Watches the clients that are made from now on."""
    session = boto3.Session()
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    recorder = Recorder(deployed_stack.stack)
    session.events.register("provide-client-params.*.*", recorder)
    return recorder


def put_error_object(deployed: Deployed) -> None:
    """An object in quarantine of two records, of which one is noted as replayed."""
    change = {"eventName": "INSERT", "eventID": uuid.uuid4().hex, "eventSource": "aws:dynamodb"}
    line = {
        "attemptsMade": 4,
        "arrivalTimestamp": 1700000000000,
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "failed",
        "attemptEndingTimestamp": 1700000001000,
        "rawData": base64.b64encode(json.dumps(change).encode()).decode(),
    }
    key = f"errors/processing-failed/2023/11/14/{uuid.uuid4()}.gz"
    deployed.stack.s3.put_object(
        Bucket=deployed.stack.bucket,
        Key=key,
        Body=gzip.compress(2 * (json.dumps(line).encode() + b"\n")),
    )
    Progress(deployed.stack).note(key, [1])


def put_dead_letter(deployed: Deployed) -> None:
    """A message that points at the oldest change of the table's stream."""
    arn = boto3.client("dynamodb").describe_table(TableName=deployed.stack.output("TableName"))[
        "Table"
    ]["LatestStreamArn"]
    streams = boto3.client("dynamodbstreams")
    (shard, *_) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    number = streams.get_records(ShardIterator=iterator)["Records"][0]["dynamodb"]["SequenceNumber"]
    pointer = {
        "shardId": shard["ShardId"],
        "startSequenceNumber": number,
        "endSequenceNumber": number,
        "batchSize": 1,
        "streamArn": arn,
    }
    body = {"context": {"condition": "RetryAttemptsExhausted"}, "DDBStreamBatchInfo": pointer}
    deployed.stack.sqs.send_message(
        QueueUrl=deployed.stack.output("DeadLetterQueueUrl"), MessageBody=json.dumps(body)
    )


def put_failed_batch(deployed: Deployed) -> None:
    """A failure object with two changes of the table, as Lambda writes it, one of them redriven."""
    arn = boto3.client("dynamodb").describe_table(TableName=deployed.stack.output("TableName"))[
        "Table"
    ]["LatestStreamArn"]
    item = {"id": {"S": uuid.uuid4().hex}, "siteId": {"S": "op"}}
    change = {
        "eventID": uuid.uuid4().hex,
        "eventName": "INSERT",
        "eventSourceARN": arn,
        "dynamodb": {
            "ApproximateCreationDateTime": 1700000000,
            "Keys": {"id": item["id"]},
            "NewImage": {**item, "createdAtTime": {"N": "1700076551926"}},
            "SequenceNumber": "1".zfill(21),
        },
    }
    document = {
        "requestContext": {"condition": "RetryAttemptsExhausted"},
        "timestamp": "2023-11-14T22:13:20.000Z",
        "payload": json.dumps({"Records": 2 * [change]}),
    }
    key = f"aws/lambda/mapping/shard/2023/11/14/2023-11-14T22.13.20-{uuid.uuid4()}"
    deployed.stack.s3.put_object(
        Bucket=deployed.stack.bucket, Key=key, Body=json.dumps(document).encode()
    )
    Progress(deployed.stack).note(key, [1])


ERASED, AWAITED = "an-erased-key", "a-key-whose-deletion-is-awaited"
COMPACTED = "an-erased-key-of-the-compacted-tables"


def put_erasable(deployed: Deployed, line: Mapping[str, Any]) -> list[str]:
    """Put changes of a deleted key, and of one not deleted, wherever they may be.

    Returns the objects.
    """
    gone = json.dumps({**line, "id": ERASED, "changeType": "REMOVE"})
    awaited = json.dumps({**line, "id": AWAITED})
    quarantined = "\n".join(
        json.dumps({"errorCode": "none", "rawData": base64.b64encode(each.encode()).decode()})
        for each in (gone, awaited)
    )
    batch = json.dumps({"payload": {"Records": [json.loads(gone), json.loads(awaited)]}})
    bodies = {
        "data/erasable": f"{gone}\n{awaited}\n",
        "errors/erasable": quarantined,
        "errors-replayed/erasable": quarantined,
        "aws/lambda/erasable": batch,
        "query-results/erasable": gone,
    }
    for key, body in bodies.items():
        deployed.stack.s3.put_object(Bucket=deployed.stack.bucket, Key=key, Body=body.encode())
    return list(bodies)


COMMANDS = (
    ["status"],
    ["tree"],
    ["sample"],
    ["failed"],
    ["logs"],
    ["query", "SELECT count(*) FROM all_changes"],
    ["verify", "--in-flight-seconds", "0"],
    ["plan", "--from-table"],
    ["plan", "--from-lake"],
    ["replay"],
    ["redrive", "--dry-run"],
    ["redrive"],
    ["seed", "--count", "3"],
    ["probe", "--wait-seconds", "60"],
    ["compact", "--older-than", "0s", "--day", COMPACTED_DAY],
)


def test_every_command_makes_the_calls_that_it_is_declared_to_need_and_no_other(
    deployed_stack: Deployed,
    recorder: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack = deployed_stack.stack
    name = uuid.uuid4().hex
    deployed_stack.api.request("POST", "/records", {"id": name, "siteId": "op", "valueOne": 1})
    ((key, line),) = deployed_stack.wait_for(1, lambda line: line["id"] == name)
    made: dict[str, set[Call]] = {}
    database = stack.output("DatabaseName")
    was_compacted = is_compacted(stack)

    def run(*arguments: str) -> None:
        recorder.calls = set()
        ran = CliRunner().invoke(sluice, ["--stack-name", stack.name, *arguments])
        assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.output
        assert ran.exit_code in (0, 1), ran.output
        made.setdefault(arguments[0], set()).update(recorder.calls)

    run("verify")
    # A record that the table does not have: only for drift does verify ask what waits where.
    drifted = f"{key.rpartition('/')[0]}/{name}-drifted.gz"
    body = gzip.compress(json.dumps({**line, "id": f"{name}-drifted"}).encode() + b"\n")
    stack.s3.put_object(Bucket=stack.bucket, Key=drifted, Body=body)
    moment = datetime.fromisoformat(COMPACTED_DAY).replace(tzinfo=UTC)
    folder = "data/siteId=op/" + moment.strftime("year=%Y/month=%m/day=%d/hour=00/minute=00/")
    old = {**line, "createdAtTime": int(moment.timestamp() * 1000)}
    gone = {**old, "id": COMPACTED, "changeType": "REMOVE", "eventId": COMPACTED}
    stack.s3.put_object(
        Bucket=stack.bucket,
        Key=f"{folder}{name}",
        Body=gzip.compress(f"{json.dumps(old)}\n{json.dumps(gone)}\n".encode()),
    )
    put_error_object(deployed_stack)
    if stack.feed == "pipe":
        put_dead_letter(deployed_stack)
    # A stack that was fed by a function before may have some too.
    put_failed_batch(deployed_stack)
    monkeypatch.setenv("HOME", str(tmp_path))
    erasable = put_erasable(deployed_stack, line)
    # Before the others, which look at what was erased; it asks whether statements have ended.
    workgroup = stack.output("WorkgroupName")
    stack.athena.start_query_execution(QueryString="SELECT 1", WorkGroup=workgroup)
    run("erase", ERASED, "--yes")
    run("erase", AWAITED, "--yes")
    delete(stack.s3, stack.bucket, erasable)
    for arguments in COMMANDS:
        run(*arguments)
    run("erase", COMPACTED, "--yes")
    run("backfill", "--checkpoint", str(tmp_path / "checkpoint"))
    run("init", "--from-table", stack.output("TableName"))
    run("backfill", "--restored-at", "1h", "--checkpoint", str(tmp_path / "restored"))
    stack.s3.delete_object(Bucket=stack.bucket, Key=drifted)
    if stack.emulated:  # Its queries run in the command's own process.
        for command in ("query", "verify", "backfill", "probe", "compact"):
            made[command] |= asked_of_athena(stack)
    if was_compacted:  # The tables were made before; only the first compaction makes them.
        for each in ("catalog", f"database/{database}", f"table/{database}/current"):
            made["compact"].add(("glue:CreateTable", ARN.format("glue", each)))
    files = asked_by_pyiceberg(stack)
    for command in ("compact", "erase"):
        made[command] |= files
    for command in ("status", "tree"):
        made[command] |= {call for call in files if call[0] == "s3:GetObject"}
    # It signs its requests itself.
    made["seed"].add(("execute-api:Invoke", ARN.format("execute-api", "the API/api/POST/records")))

    settings = DeploymentSettings(
        stage="local", target="local", feed="pipe" if stack.feed == "pipe" else "function"
    )
    rights = granted(OPERATORS, settings)
    refused, unused = set(), set()
    for command, calls in made.items():
        allowed = {
            (grant.action, physical(stack, grant.on))
            for grant in rights
            if grant.who == f"sluice {command}"
        }
        refused |= {
            (command, call) for call in calls if not any(covers(grant, call) for grant in allowed)
        }
        unused |= {
            (command, grant) for grant in allowed if not any(covers(grant, call) for call in calls)
        }
    assert not refused
    assert not unused
    assert {right.who.removeprefix("sluice ") for right in OPERATORS} == made.keys()


def covers(grant: Call, call: Call) -> bool:
    """Whether a grant allows a call."""
    return grant[0] == call[0] and fnmatch.fnmatchcase(call[1], grant[1])
