"""What commands may do with the feed: a pipe, or a function in its place."""

from infrastructure.access import DOCS, only, right
from infrastructure.terms import BY_FUNCTION, BY_PIPE, KEY, QUEUE, arn, via

PIPE = only(
    BY_PIPE,
    right(
        "status verify backfill erase",
        "pipes:DescribePipe",
        on="${Pipe/Pipe.Arn}",
        why="The pipe's state, its start, and which changes it passes.",
    ),
    right(
        "status verify redrive backfill",
        "sqs:GetQueueAttributes",
        on=QUEUE,
        why="How many dead letters there are.",
    ),
    right(
        "redrive",
        "sqs:ChangeMessageVisibility sqs:DeleteMessage sqs:ReceiveMessage",
        on=QUEUE,
        why="It reads the dead letters, gives back what it leaves, and removes what arrived.",
    ),
    right(
        "probe", "sqs:ReceiveMessage", on=QUEUE, why="It looks at dead letters, and leaves them."
    ),
    right(
        "probe",
        "kms:Decrypt",
        on=KEY,
        when=via("sqs"),
        why="SQS asks it of whoever reads an encrypted queue.",
        source=f"{DOCS}AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html",
    ),
    right("logs", "logs:FilterLogEvents", on="${Pipe/Log.Arn}", why="What the pipe logged."),
)

FUNCTION = only(
    BY_FUNCTION,
    right(
        "status verify backfill erase",
        "lambda:GetEventSourceMapping",
        on=arn("lambda", "event-source-mapping:${FunctionFeed/Mapping}"),
        why="The state of what feeds the delivery stream, its start, and which changes it passes.",
    ),
    right(
        "logs",
        "logs:FilterLogEvents",
        on="${FunctionFeed/Log.Arn}",
        why="What the feed function logged.",
    ),
)
