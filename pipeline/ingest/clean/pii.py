"""Personal data by their form: e-mail addresses, payment cards (Luhn), IP addresses, telephone numbers.

Known weakness: a version number of four parts looks like an IP address; names and postal addresses are not seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_DIGITS = re.compile(r"\d")
# +49 30 1234567; (555) 123-4567; a Chinese mobile number
_PHONE = r"(?<![\w.+-])(?:\+\d{1,3}(?:[ ().-]{0,2}\d){7,12}|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}|1[3-9]\d{9})(?![\w-])"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"


def passes_luhn(number: str) -> bool:
    """Whether the digits end in the check digit that payment cards have."""
    digits = [int(digit) for digit in reversed(_DIGITS.findall(number))]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


# In this order, so that a card is no telephone number. ASCII alone bounds them: Chinese puts no space around a number.
_KINDS: dict[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    kind: (re.compile(pattern, re.ASCII), is_one)
    for kind, pattern, is_one in (
        ("email", r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])", bool),
        ("card", r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])", passes_luhn),
        ("ip", rf"(?<![\w.]){_OCTET}(?:\.{_OCTET}){{3}}(?!\w|\.\d)", bool),
        ("phone", _PHONE, bool),
    )
}


def redact(text: str) -> tuple[str, list[str]]:
    """Return the text with ``<email>``, ``<card>``, ``<ip>`` and ``<phone>`` in their place, and the kinds found."""
    kinds: list[str] = []
    for kind, (pattern, is_one) in _KINDS.items():
        changed = _replace(text, pattern, f"<{kind}>", is_one)
        if changed != text:
            kinds.append(kind)
            text = changed
    return text, kinds


def _replace(text: str, pattern: re.Pattern[str], mark: str, is_one: Callable[[str], bool]) -> str:
    return pattern.sub(lambda found: mark if is_one(found[0]) else found[0], text)
