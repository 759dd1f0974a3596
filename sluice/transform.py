"""The deployed transform's reading of a payload, repeated here with the settings of the stack.

The declaration is this package's own, which is the deployed one: `Stack.table` compares them.
"""

from collections.abc import Callable, Mapping

from chalicelib.errors import RecordError
from chalicelib.transform import ReaderSettings, payload_reader, settings
from sluice.errors import OperationError
from sluice.stack import Stack


def deployed_settings(stack: Stack) -> ReaderSettings:
    """Return the settings of the stack's transform. Raises OperationError without them."""
    configuration = stack.functions.get_function_configuration(
        FunctionName=stack.output("TransformName")
    )
    variables: Mapping[str, str] = configuration.get("Environment", {}).get("Variables", {})
    try:
        return settings(stack.table, variables.__getitem__)
    except KeyError as missing:
        raise OperationError(
            f"the function {stack.output('TransformName')} has no variable {missing}; deploy the "
            "stack again"
        ) from None


def reason_reader(chosen: ReaderSettings) -> Callable[[bytes], str | None]:
    """Return a function that returns why the transform fails a payload, or None if it does not.

    A reason names field and rule, never a value.
    """
    # Why a payload fails hangs on no hash: nothing that is read from a field can be hashed.
    read = payload_reader(**chosen, hasher=lambda _: "")

    def reason(payload: bytes) -> str | None:
        try:
            read(payload)
        except RecordError as broken:
            return str(broken)
        return None

    return reason
