"""The console of every program here: text is never read as markup, and no control character in it
reaches a terminal, wherever it came from."""

import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from sluice.wording import printable

_PADDING = re.compile(r" +(?=\n)")


class PlainConsole(Console):
    """A console that prints strings as they are, in styles that only a `Text` gives."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; in a file or a pipe, no line ends in spaces."""
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as printed:
            super().print(*objects, **options)
        super().print(Text(_PADDING.sub("", printed.get())), end="")

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as text: also of a table's cells and heads, and of a tree's labels.

        Here, not only in `render`, so that widths are those of the escaped text.
        """
        return super().render_str(_escaped(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of anything that can be printed, a `Text` included."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(_escaped(segment.text), segment.style)


def _escaped(text: str) -> str:
    """Escape all but the ends of lines, which the messages of the commands have too."""
    return "\n".join(map(printable, text.split("\n")))
