"""The methods by name. A method lives in its own file, which is imported when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from streams.errors import EvaluationError, MissingExtra, SettingsError
from streams.learning.evaluation.methods.base import Method, Setup
from streams.learning.evaluation.methods.fallback import Fallback

_HERE = "streams.learning.evaluation.methods"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a method is: `class_(setup)` in `module`, or `class_(setup, variant)`. One that is trained runs once a seed.

    One that `knows_all` has an answer of its own for users without events; the others get the run's (`Fallback`).
    """

    module: str
    class_: str
    trained: bool = False
    variant: str = ""
    knows_all: bool = False


METHODS: dict[str, Entry] = {
    "popularity": Entry("popularity", "Popularity", knows_all=True),
    "popularity-7d": Entry("popularity", "PopularityOfAWeek", knows_all=True),
    "debuts-7d": Entry("popularity", "DebutsOfAWeek", knows_all=True),
    "own": Entry("own", "OwnItems"),
    "own+popularity-7d": Entry("own_and_other", "OwnAndPopularityOfAWeek"),
    "own+markov": Entry("own_and_other", "OwnAndMarkov"),
    "own+ease": Entry("own_and_other", "OwnAndEase"),
    "itemknn": Entry("knn", "ItemKNN"),
    "userknn": Entry("knn", "UserKNN"),
    "ials": Entry("ials", "ImplicitALS"),
    "ease": Entry("ease", "Ease"),
    "content": Entry("content", "ContentMean"),
    "words-frozen": Entry("words", "FrozenWords"),
    "words-tuned": Entry("words", "TunedWordsMethod", trained=True),
    "markov": Entry("markov", "Markov"),
    "gru4rec": Entry("sequential", "GRU4Rec", trained=True),
    "sasrec": Entry("sequential", "SASRec", trained=True),
    "analytic": Entry("driftline", "AnalyticMethod", knows_all=True),
    "driftline": Entry("driftline", "LearnedMethod", trained=True, knows_all=True),
    "driftline-no-transfer": Entry(
        "driftline", "LearnedMethod", trained=True, knows_all=True, variant="no-transfer"
    ),
    "driftline-blend": Entry("driftline", "LearnedMethod", trained=True, knows_all=True, variant="blend"),
    "driftline-no-emergence": Entry(
        "driftline", "LearnedMethod", trained=True, knows_all=True, variant="no-emergence"
    ),
    "driftline-no-ring": Entry("driftline", "LearnedMethod", trained=True, knows_all=True, variant="no-ring"),
    "driftline-no-slots": Entry(
        "driftline", "LearnedMethod", trained=True, knows_all=True, variant="no-slots"
    ),
    "driftline-no-again": Entry(
        "driftline", "LearnedMethod", trained=True, knows_all=True, variant="no-again"
    ),
    "driftline-no-trend": Entry(
        "driftline", "LearnedMethod", trained=True, knows_all=True, variant="no-trend"
    ),
    "driftline-no-debuts": Entry(
        "driftline", "LearnedMethod", trained=True, knows_all=True, variant="no-debuts"
    ),
    "driftline-no-next": Entry("driftline", "LearnedMethod", trained=True, knows_all=True, variant="no-next"),
    "driftline-no-new": Entry("driftline", "LearnedMethod", trained=True, knows_all=True, variant="no-new"),
}


def names(text: str) -> list[str]:
    """The methods named in a text such as "own,markov", each once.

    Raises:
        SettingsError: none is named, or one does not exist.

    >>> names("own, markov,own")
    ['own', 'markov']
    """
    found = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in found:
        if name not in METHODS:
            raise SettingsError(f"there is no method {name!r}; choose from {', '.join(METHODS)}")
    if not found:
        raise SettingsError(f"no method named; choose from {', '.join(METHODS)}")
    return found


def build(name: str, setup: Setup) -> Method:
    """The method of this name, unfitted.

    Raises:
        EvaluationError: there is no such method.
        MissingExtra: it needs a package that is not installed.
    """
    entry = METHODS.get(name)
    if entry is None:
        raise EvaluationError(f"there is no method {name!r}; choose from {', '.join(METHODS)}")
    try:
        module = import_module(f"{_HERE}.{entry.module}")
    except ModuleNotFoundError as error:
        extra = "train" if error.name in ("lightning", "optuna") else "evaluate"
        raise MissingExtra(f"method {name} needs {error.name}: pip install 'driftline[{extra}]'") from None
    make = getattr(module, entry.class_)
    method: Method = make(setup, entry.variant) if entry.variant else make(setup)
    return method if entry.knows_all else Fallback(method, setup)
