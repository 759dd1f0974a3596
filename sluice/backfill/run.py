"""Delivers a source's items, several parts at once, and notes each page once it is delivered."""

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from chalicelib.firehose import DeliveryStream
from chalicelib.limits import PUT_RECORD_BYTES_MAX
from sluice.backfill.checkpoint import BackfillCheckpoint
from sluice.backfill.source import Page, Source, snapshot
from sluice.backfill.stop import Stop
from sluice.errors import StoppedError


def run(
    source: Source,
    checkpoint: BackfillCheckpoint,
    stream: DeliveryStream,
    stop: Stop,
    parallel: int = 1,
    progress: Callable[[int], None] = lambda _items: None,
    holds_back: Callable[[bytes], bool] = lambda _payload: False,
) -> None:
    """Deliver every part that the checkpoint does not have as done.

    A page counts as done only when Firehose has accepted every item of it; a run that ends before
    leaves it to the next one. What `holds_back` says is not delivered.
    `progress` is called with the items accepted since its last call.
    An error in one thread, and an interrupt, end the others after their current page.
    """

    def deliver(part: str, after: str | None) -> None:
        try:
            for page in source.pages(part, after):
                _deliver(page, part, checkpoint, stream, progress, holds_back)
                stop.pause()
        except StoppedError:
            return

    with ThreadPoolExecutor(parallel, "backfill") as pool:
        threads = [
            pool.submit(deliver, part, position.after)
            for part, position in checkpoint.parts.items()
            if not position.done
        ]
        try:
            ended, _ = wait(threads, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    for thread in ended:
        thread.result()


def _deliver(
    page: Page,
    part: str,
    checkpoint: BackfillCheckpoint,
    stream: DeliveryStream,
    progress: Callable[[int], None],
    holds_back: Callable[[bytes], bool],
) -> None:
    payloads, too_large, held_back = [], [], 0
    for item in page.items:
        payload = snapshot(item, page.moment)
        if holds_back(payload):
            held_back += 1
        elif len(payload) <= PUT_RECORD_BYTES_MAX:
            payloads.append(payload)
        else:
            too_large.append(item.keys.decode())
    for accepted in stream.put(payloads):
        progress(len(accepted))
    checkpoint.advance(part, page.after, len(payloads), too_large, held_back)
