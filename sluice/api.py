"""A client of the seeding API: every request is signed with SigV4, and numbers stay exact."""

import time
from typing import Any

import boto3
import msgspec
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from chalicelib.exact import read_value
from chalicelib.retry import is_passing_status, retrying
from sluice.errors import OperationError

ATTEMPTS = 6
TIMEOUT_SECONDS = 30.0
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Api:
    """A client of the API at a base URL. It may be shared between threads."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        session = boto3.Session()
        if (credentials := session.get_credentials()) is None:
            raise OperationError("the API wants signed requests, and no AWS credentials are set")
        self._signer = SigV4Auth(credentials, "execute-api", session.region_name or "us-east-1")
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and the decoded JSON body of a response that is no error.

        Throttling and absence are retried with back-off. Raises OperationError when they last, and
        for any other error.
        """
        for _ in retrying(ATTEMPTS, 0.1, 3.2, time.sleep):
            status, answer = self.send(method, path, body)
            if not is_passing_status(status):
                break
        if status >= 400:
            detail = answer.get("detail") or answer.get("message") or answer.get("Message")
            raise OperationError(f"{method} {path} was answered {status}: {detail}")
        return status, answer

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send one request; return the status and the decoded JSON body of whatever is answered.

        Raises OperationError when nothing is answered.
        """
        data = b"" if body is None else _encode(body)
        url = f"{self._url}{path}"
        request = AWSRequest(method, url, {"Content-Type": "application/json"}, data)
        try:
            self._signer.add_auth(request)
            answer = self._pool.request(
                method, url, body=data, headers=dict(request.headers), timeout=TIMEOUT_SECONDS
            )
        except (urllib3.exceptions.HTTPError, BotoCoreError) as unreachable:
            raise OperationError(
                f"the API at {self._url} cannot be reached: {unreachable}"
            ) from None
        try:
            return answer.status, read_value(answer.data) if answer.data else {}
        except (msgspec.DecodeError, UnicodeDecodeError):
            return answer.status, {"detail": "an answer that is not JSON"}
