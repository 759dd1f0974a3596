"""What commands may do with the feed: a pipe, or a function in its place."""

from infrastructure.access import only
from infrastructure.operators.rows import AUTHORIZATION, rows
from infrastructure.terms import (
    BY_FUNCTION,
    BY_PIPE,
    DOCS,
    KEY,
    QUEUE,
    arn,
    by_function,
    by_pipe,
    via,
)

PIPE = only(
    by_pipe,
    BY_PIPE,
    *rows(
        "status verify backfill erase",
        may="pipes:DescribePipe",
        on="${Pipe/Pipe.Arn}",
        why="The pipe's state, its start, and which changes it passes.",
        source=f"{AUTHORIZATION}list_amazoneventbridgepipes.html",
    ),
    *rows(
        "status verify redrive backfill",
        may="sqs:GetQueueAttributes",
        on=QUEUE,
        why="How many dead letters there are.",
        source=f"{AUTHORIZATION}list_amazonsqs.html",
    ),
    *rows(
        "redrive",
        may="sqs:ChangeMessageVisibility sqs:DeleteMessage sqs:ReceiveMessage",
        on=QUEUE,
        why="It reads the dead letters, gives back what it leaves, and removes what arrived.",
        source=f"{AUTHORIZATION}list_amazonsqs.html",
    ),
    *rows(
        "probe",
        may="sqs:ReceiveMessage",
        on=QUEUE,
        why="It looks at dead letters, and leaves them.",
        source=f"{AUTHORIZATION}list_amazonsqs.html",
    ),
    *rows(
        "probe",
        may="kms:Decrypt",
        on=KEY,
        when=via("sqs"),
        why="SQS asks it of whoever reads an encrypted queue.",
        source=f"{DOCS}AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html",
    ),
    *rows(
        "logs",
        may="logs:FilterLogEvents",
        on="${Pipe/Log.Arn}",
        why="What the pipe logged.",
        source=f"{AUTHORIZATION}list_amazoncloudwatchlogs.html",
    ),
)

FUNCTION = only(
    by_function,
    BY_FUNCTION,
    *rows(
        "status verify backfill erase",
        may="lambda:GetEventSourceMapping",
        on=arn("lambda", "event-source-mapping:${FunctionFeed/Mapping}"),
        why="The state of what feeds the delivery stream, its start, and which changes it passes.",
        source=f"{AUTHORIZATION}list_awslambda.html",
    ),
    *rows(
        "logs",
        may="logs:FilterLogEvents",
        on="${FunctionFeed/Log.Arn}",
        why="What the feed function logged.",
        source=f"{AUTHORIZATION}list_amazoncloudwatchlogs.html",
    ),
)
