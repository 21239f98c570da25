"""Which language a text is in, by py3langid: a naive Bayes over byte n-grams for 97 languages, its model in the wheel.

Chinese is one language here, as in ISO 639-3: what the model calls Wu or Cantonese is mostly Mandarin in a few words.
Known weakness: texts of a few words; close relatives (Norwegian and Danish, Malay and Indonesian).
"""

from __future__ import annotations

from functools import cache
from typing import Any

_CHARS = 2000
_CHINESE = frozenset({"zh", "wuu", "yue"})


def identify_language(text: str) -> tuple[str, float]:
    """Return the ISO 639-1 code of the text's language, and its probability to four decimals.

    Cost: the first 2,000 characters; the model loads once a process.
    """
    ranked = _identifier().rank(text[:_CHARS])
    code, probability = ranked[0]
    if code in _CHINESE:
        code, probability = "zh", sum(each for name, each in ranked if name in _CHINESE)
    return str(code), round(float(probability), 4)


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
