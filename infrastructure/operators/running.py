"""What commands may do with the rest of a stack: its functions, logs, alarms and API."""

from infrastructure.operators.rows import AUTHORIZATION, rows
from infrastructure.terms import DOCS, HAS_API, arn, has_api

RUNNING = (
    *rows(
        "status",
        may="cloudwatch:DescribeAlarms cloudwatch:GetMetricStatistics",
        on="*",
        why="Which alarms are off, and how old what waits is. CloudWatch knows no narrower right.",
        source=f"{AUTHORIZATION}list_amazoncloudwatch.html",
    ),
    *rows(
        "verify failed erase",
        may="lambda:GetFunctionConfiguration",
        on="${Transform.Arn}",
        why="The settings by which the transform reads changes.",
        source=f"{AUTHORIZATION}list_awslambda.html",
    ),
    *rows(
        "logs",
        may="logs:FilterLogEvents",
        on=("${Runtime/TransformLog.Arn}", "${Delivery/Log.Arn}"),
        why="What the parts logged.",
        source=f"{AUTHORIZATION}list_amazoncloudwatchlogs.html",
    ),
    *rows(
        "logs",
        may="logs:FilterLogEvents",
        on="${Runtime/ApiLog.Arn}",
        why="What the API logged.",
        source=f"{AUTHORIZATION}list_amazoncloudwatchlogs.html",
        holds=has_api,
        holds_when=HAS_API,
    ),
    *rows(
        "probe",
        may="lambda:InvokeFunction",
        on="${Transform.Arn}",
        why="How the transform's response is encoded.",
        source=f"{AUTHORIZATION}list_awslambda.html",
    ),
    *rows(
        "seed",
        may="execute-api:Invoke",
        on=arn("execute-api", "${RestAPI}/*/*/records*"),
        why="It writes through the API, like any caller.",
        source=f"{DOCS}apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html",
        holds=has_api,
        holds_when=HAS_API,
    ),
)
