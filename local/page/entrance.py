"""Where the page puts something in: the API for records, Firehose for broken ones."""

from typing import Any

import boto3
import msgspec
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials

from local.emulator import CREDENTIALS, REGION

BROKEN = b'{"this": "is no change of the table"}'
"""What the transform cannot read, and so answers with ProcessingFailed."""


class Entrance:
    """Posts records, and puts broken ones past the API. Threads may share it."""

    def __init__(self, api_url: str, firehose_url: str, stream_name: str) -> None:
        self._records_url = f"{api_url.rstrip('/')}/records"
        self._signer = SigV4Auth(
            ReadOnlyCredentials(
                CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], None
            ),
            "execute-api",
            REGION,
        )
        self._http = urllib3.PoolManager(retries=False, timeout=30.0)
        config = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1})
        self._firehose = boto3.client("firehose", endpoint_url=firehose_url, config=config)
        self._stream_name = stream_name

    def post(self, record: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Post a record through the API. Returns the status and the document it answered with.

        Raises urllib3's HTTPError when it is not there.
        """
        body = msgspec.json.encode(record)
        # Signed, as the deployed API wants it; `chalice local` does not look.
        request = AWSRequest(
            "POST", self._records_url, {"Content-Type": "application/json"}, data=body
        )
        self._signer.add_auth(request)
        answer = self._http.request(
            "POST", self._records_url, body=body, headers=dict(request.headers)
        )
        try:
            return answer.status, msgspec.json.decode(answer.data, type=dict[str, Any])
        except msgspec.MsgspecError:
            return answer.status, {"detail": "The API's answer is no JSON object."}

    def put_broken(self) -> None:
        """Put bytes that are no change straight into Firehose. Raises what boto3 raises."""
        self._firehose.put_record(DeliveryStreamName=self._stream_name, Record={"Data": BROKEN})
