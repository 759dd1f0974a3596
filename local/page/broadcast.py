"""The newest snapshot as HTML, and the listeners that wait for the next one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from local.page.snapshot import History, Snapshot

HEARTBEAT_SECONDS = 10.0
"""A silent stream sends a comment this often, so that a dead connection is noticed."""

Regions = Mapping[str, str]
"""HTML by the id of the element that it fills."""


class Broadcast:
    """Shared by all listeners: a snapshot is rendered once for all of them."""

    def __init__(self, render: Callable[[Snapshot], Regions]) -> None:
        self.snapshot = Snapshot()
        self._render = render
        self._regions = render(self.snapshot)
        self._series = "{}"
        self._closed = False
        self._changed = asyncio.Event()

    @property
    def regions(self) -> Regions:
        """The newest snapshot's HTML."""
        return self._regions

    def publish(self, snapshot: Snapshot, history: History) -> None:
        """Render a new snapshot and send it to every listener."""
        self.snapshot = snapshot
        self._regions = self._render(snapshot)
        self._series = msgspec.json.encode(history.series()).decode()
        self._wake()

    def close(self) -> None:
        """End the streams of all listeners."""
        self._closed = True
        self._wake()

    async def messages(self) -> AsyncIterator[str]:
        """Yield server-sent events for one listener: the changed regions, and the chart's numbers.

        The regions are htmx partials; `rates` is an event with JSON.
        """
        sent: dict[str, str] = {}
        while not self._closed:
            changed = {name: html for name, html in self._regions.items() if sent.get(name) != html}
            sent.update(changed)
            if changed:
                yield _message("".join(_partial(name, html) for name, html in changed.items()))
            yield _message(self._series, event="rates")
            while not self._closed:
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await self._changed.wait()
                    break
                except TimeoutError:
                    yield ": still here\n\n"

    def _wake(self) -> None:
        waiting, self._changed = self._changed, asyncio.Event()
        waiting.set()


def _partial(name: str, html: str) -> str:
    return f'<hx-partial hx-target="#{name}" hx-swap="innerMorph">{html}</hx-partial>'


def _message(data: str, event: str | None = None) -> str:
    lines = [f"event: {event}"] if event else []
    lines += [f"data: {line}" for line in data.splitlines()]
    return "\n".join(lines) + "\n\n"
