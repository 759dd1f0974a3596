"""The price table: US dollars in us-east-1. Second-hand figures; look them up before you rely on
them. Free tiers are left out, as an account shares them among all its uses.
"""

from dataclasses import dataclass

DATE = "2026-11"
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a quantity, in tiers: each applies up to its quantity, the last without end."""

    unit: str
    tiers: tuple[tuple[float, float], ...]
    """Upper bounds of the quantity, and dollars for each unit below."""
    source: str

    def of(self, quantity: float) -> float:
        """Return dollars for a quantity in a month."""
        dollars = below = 0.0
        for bound, price in self.tiers:
            dollars += max(0.0, min(quantity, bound) - below) * price
            below = bound
        return dollars


def _flat(unit: str, price: float, source: str) -> Price:
    return Price(unit, ((float("inf"), price),), source)


_DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
_EVENTBRIDGE = "https://aws.amazon.com/eventbridge/pricing/"
_FIREHOSE = "https://aws.amazon.com/firehose/pricing/"
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_KMS = "https://aws.amazon.com/kms/pricing/"
_ATHENA = "https://aws.amazon.com/athena/pricing/"
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"

WRITES = _flat("million write units", 0.625, _DYNAMODB)
STREAM_READS = _flat("million readings", 0.20, _DYNAMODB)
PIPE = _flat("million requests of 64 KB", 0.40, _EVENTBRIDGE)
FIREHOSE = Price(
    "GB, each record rounded up to 5 KB",
    ((500_000, 0.029), (2_000_000, 0.025), (float("inf"), 0.020)),
    _FIREHOSE,
)
PARTITIONING = _flat("GB", 0.020, _FIREHOSE)
PARTITIONED_OBJECTS = _flat("1,000 objects", 0.005, _FIREHOSE)
CONVERSION = _flat("GB", 0.018, _FIREHOSE)
LAMBDA_REQUESTS = _flat("million requests", 0.20, _LAMBDA)
LAMBDA_DURATION = _flat("GB-second (arm64)", 0.0000133334, _LAMBDA)
S3_PUTS = _flat("1,000 requests", 0.005, _S3)
S3_STORAGE = Price("GB-month", ((50_000, 0.023), (500_000, 0.022), (float("inf"), 0.021)), _S3)
S3_GETS = _flat("1,000 requests", 0.0004, _S3)
KMS_KEY = _flat("key", 1.0, _KMS)
KMS_REQUESTS = _flat("10,000 requests", 0.03, _KMS)
ATHENA = _flat("TB scanned", 5.0, _ATHENA)
ALARMS = _flat("alarm", 0.10, _CLOUDWATCH)
METRICS = _flat("metric", 0.30, _CLOUDWATCH)
DASHBOARD = _flat("dashboard", 3.0, _CLOUDWATCH)
LOGS = _flat("GB", 0.50, _CLOUDWATCH)
