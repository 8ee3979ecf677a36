"""The words of a catalogue's text that may be HTML, as shops export descriptions."""

from __future__ import annotations

import html
import re
from typing import Final

MOST_CHARS: Final = 1 << 17
"""Of a text with markup so much is looked at: what is left is cut much shorter."""

# Names only that HTML has: "5 < 6" and "vector<int>" are no markup. Possessive, so that no text takes long.
_WITHIN: Final = r"(?:\s[^<>]*+)?/?>"
_INLINE: Final = (
    "a|abbr|b|big|bdi|bdo|cite|code|del|em|font|i|ins|kbd|mark|q|s|small|span|strong|sub|sup|tt|u|var"
)
_BLOCKS: Final = (
    "address|article|aside|blockquote|body|br|button|caption|center|col|colgroup|dd|details|div|dl|dt|figcaption|figure|footer|"
    "form|h1|h2|h3|h4|h5|h6|head|header|hr|html|iframe|img|input|label|li|link|main|meta|nav|ol|option|p|picture|pre|section|"
    "select|source|summary|svg|table|tbody|td|tfoot|th|thead|title|tr|ul|video|wbr"
)
_HIDDEN: Final = re.compile(
    r"<(script|style|template|noscript)\b[^<>]*+>.*?(?:</\1\s*+>|\Z)|<!--.*?(?:-->|\Z)|<!doctype[^<>]*+>",
    re.I | re.S,
)
_INLINE_TAG: Final = re.compile(rf"</?(?:{_INLINE}){_WITHIN}", re.I)
_BLOCK_TAG: Final = re.compile(rf"</?(?:{_BLOCKS}){_WITHIN}", re.I)
_SPACE: Final = re.compile(r"\s+")


def plain_text(text: str) -> str:
    """The text without tags, comments, scripts and styles, with the characters that entities stand for.

    A text without any of them is given back as it is.

    >>> plain_text('<p>Soft &amp; <b>warm</b></p><ul><li>wool</li></ul>'), plain_text("5 < 6 > 4")
    ('Soft & warm wool', '5 < 6 > 4')
    """
    if "<" in text:
        cut = text[:MOST_CHARS]
        bare = _INLINE_TAG.sub("", _BLOCK_TAG.sub(" ", _HIDDEN.sub(" ", cut)))
        if bare != cut:
            return _SPACE.sub(" ", html.unescape(bare)).strip()
    if "&" in text and ";" in text:
        return html.unescape(text)
    return text
