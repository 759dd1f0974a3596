"""What commands may do with the rest of a stack: its functions, logs, alarms and API."""

from infrastructure.access import DOCS, right
from infrastructure.terms import HAS_API, arn

RUNNING = (
    right(
        "status",
        "cloudwatch:DescribeAlarms cloudwatch:GetMetricStatistics",
        on="*",
        why="Which alarms are off, and how old what waits is. CloudWatch knows no narrower right.",
    ),
    right(
        "verify failed erase",
        "lambda:GetFunctionConfiguration",
        on="${Transform.Arn}",
        why="The settings by which the transform reads changes.",
    ),
    right(
        "logs",
        "logs:FilterLogEvents",
        on=("${Runtime/TransformLog.Arn}", "${Delivery/Log.Arn}"),
        why="What the parts logged.",
    ),
    right(
        "logs",
        "logs:FilterLogEvents",
        on="${Runtime/ApiLog.Arn}",
        why="What the API logged.",
        case=HAS_API,
    ),
    right(
        "probe",
        "lambda:InvokeFunction",
        on="${Transform.Arn}",
        why="How the transform's response is encoded.",
    ),
    right(
        "seed",
        "execute-api:Invoke",
        on=arn("execute-api", "${RestAPI}/*/*/records*"),
        why="It writes through the API, like any caller.",
        source=f"{DOCS}apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html",
        case=HAS_API,
    ),
)
