"""The errors of operations, and the sentence that a person reads for each."""

from urllib.parse import urlsplit

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from chalicelib.errors import OperationError as OperationError
from chalicelib.errors import SluiceError


class OptionError(OperationError):
    """Options or arguments that do not fit the command, the declared table or the stack."""


class DamagedError(OperationError):
    """An object of the bucket is not what Firehose writes; the message names it."""


class UnavailableError(OperationError):
    """A service does not answer, or asks to slow down: to be tried again."""


class UnreachedError(OperationError):
    """The stream does not come to the end of a range of changes."""


class StreamGoneError(OperationError):
    """The stream cannot be read any more, now or later."""


class AgedOutError(StreamGoneError):
    """The stream no longer has the shard, or the change, that was asked for."""


class TransformationFailed(SluiceError):  # noqa: N818 - the name of the event in Pipes' logs
    """A record whose payload would be invalid. The message never holds its values."""


class StoppedError(SluiceError):
    """The backfill is to end now; what is delivered is noted."""


_CREDENTIALS = "; set AWS credentials, for example with `aws sso login` and AWS_PROFILE"
_LOCAL = "; start `make dev`, or unset AWS_ENDPOINT_URL to reach AWS"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_REMEDIES = {
    "ExpiredToken": "; the credentials have expired, get new ones",
    "ExpiredTokenException": "; the credentials have expired, get new ones",
    "RequestExpired": "; the credentials have expired, or this machine's clock is wrong",
    "InvalidClientTokenId": _CREDENTIALS,
    "UnrecognizedClientException": _CREDENTIALS,
}


def explain(error: Exception) -> str:
    """Return one line on why an operation failed, for an error of ours or of botocore's."""
    match error:
        case ClientError():
            details = error.response["Error"]
            code = details.get("Code", "an unknown error")
            message = " ".join(details.get("Message", "").split())
            reason = f"AWS refused {error.operation_name} with {code}: {message}"
            return reason.rstrip(": .") + _REMEDIES.get(code, "")
        case NoCredentialsError() | PartialCredentialsError():
            return f"there are no AWS credentials{_CREDENTIALS}"
        case NoRegionError():
            return "no AWS region is set; set AWS_REGION, or all that `make dev` prints"
        case EndpointConnectionError() | ConnectTimeoutError() | ReadTimeoutError():
            host = urlsplit(str(error.kwargs.get("endpoint_url"))).hostname
            return f"AWS cannot be reached: {error}" + (_LOCAL if host in _LOOPBACK else "")
        case ResponseParserError():
            return "the endpoint does not answer as AWS does; correct AWS_ENDPOINT_URL, or unset it"
    return " ".join(str(error).split())
