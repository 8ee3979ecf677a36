"""The text that is encoded, from what a catalogue or an event holds."""


def item_text(title: str | None, description: str | None) -> str:
    """Joins an item's title and description to the text that is encoded; "" where both are blank.

    >>> item_text("Apple sauce", "50 oz jar")
    'Apple sauce. 50 oz jar'
    >>> item_text(" ", None)
    ''
    """
    parts = [part.strip() for part in (title, description) if part]
    return ". ".join(part for part in parts if part)


def prepare_text(text: str, max_chars: int) -> str:
    """Strips the text, cuts it to `max_chars` and replaces what UTF-8 can't hold (lone surrogates).

    Two texts that are equal afterwards have one vector and one fingerprint.

    >>> prepare_text("  red grapes  ", 5)
    'red g'
    """
    text = text.strip()[:max_chars].rstrip()
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")
