"""A build's log in a terminal: cleaned lines, with their colours; ``domain/log_text.py`` says what is cleaned away."""

from rich.style import Style
from rich.text import Span, Text

from wheelyard.domain.log_text import MAX_LINE_CHARACTERS, LineSplitter, clean_line, plain_line, plain_text

__all__ = ["MAX_LINE_CHARACTERS", "LineSplitter", "clean_line", "plain_line", "plain_text", "styled_line"]


def styled_line(line: str) -> Text:
    """Turn a line into text for rich: never read as rich's markup, its colours confined to the line."""
    text = Text.from_ansi(clean_line(line), no_wrap=False)
    text.spans = [Span(span.start, span.end, _visible(span.style)) for span in text.spans]
    return text


def _visible(style: str | Style) -> Style:
    """Keep what makes text look different; drop what hides it or makes it blink."""
    given = Style.parse(style) if isinstance(style, str) else style
    return Style(
        color=given.color, bgcolor=given.bgcolor, bold=given.bold, italic=given.italic, underline=given.underline
    )
