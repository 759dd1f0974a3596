"""The state in which the pipe is asked to be: by StopPipe and StartPipe, at the emulator."""

from typing import TYPE_CHECKING

from chalicelib.retry import REQUEST_ERRORS

if TYPE_CHECKING:
    from mypy_boto3_pipes import EventBridgePipesClient


class DesiredState:
    """The desired state of a deployed pipe."""

    def __init__(self, client: "EventBridgePipesClient", name: str) -> None:
        self._client = client
        self._name = name
        self._stopped = False

    def is_stopped(self) -> bool:
        """Whether the pipe is to be stopped; as last said if the emulator is silent."""
        try:
            answer = self._client.describe_pipe(Name=self._name)
        except REQUEST_ERRORS:
            return self._stopped
        self._stopped = answer["DesiredState"] == "STOPPED"
        return self._stopped
