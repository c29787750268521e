"""Values that a policy states of components: addresses, licences, and templates of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from rocketaudit.formats.spdx_expression import is_expression

MAX_LENGTH = 2_000
WITHIN = ("name", "version", "path")  # may stand inside a URL; the others are a value of their own
_WHOLE = {"creator": ("{url}", "{package}"), "distribution-licence": ("{declared}", "{package}")}
_EXPECTED = {
    "creator": "an e-mail address, a URL (with {name}, {version}, {path}), {url} or {package}",
    "creator-name": "a name or {package}",
    "licence": "an SPDX expression or {package}",
    "distribution-licence": "an SPDX expression, {declared} or {package}",
}
_EXPECTED_URL = "a URL (with {name}, {version}, {path}) or {package}"
_CHARACTER = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
_URL = re.compile(
    rf"https?://[A-Za-z0-9.-]+(?::\d{{1,5}})?(?:/{_CHARACTER}*)?(?:\?{_CHARACTER}*)?(?:#{_CHARACTER}*)?", re.ASCII
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,9}[A-Za-z]{2,63}", re.ASCII)
_PLACE = re.compile(r"\{([^{}]*)\}")


def fill(template: str, known: Mapping[str, str]) -> str:
    """A template with what is known of a component (percent-encoded in a URL); "" when something in it is not known."""
    if template in ("{url}", "{declared}", "{package}"):
        return known.get(template[1:-1], "")
    if any(not known.get(name) for name in _PLACE.findall(template)):
        return ""
    filled = _PLACE.sub(lambda place: quote(known[place[1]], safe="/@+~:", errors="replace"), template)
    return filled if len(filled) <= MAX_LENGTH else ""


def expected_instead(name: str, value: str) -> str:
    """What is expected where `value` cannot be meant as value of `name`, "" where it can."""
    return "" if _fits(name, value) else _EXPECTED.get(name, _EXPECTED_URL)


def _fits(name: str, value: str) -> bool:
    if value in _WHOLE.get(name, ("{package}",)) or name == "creator-name":
        return True
    if name in _EXPECTED and name != "creator":
        return is_expression(value)
    example = fill(value, dict.fromkeys(WITHIN, "x"))
    return is_url(example) or (name == "creator" and is_email(example))


def is_url(text: str) -> bool:
    """Whether this is a web address that the readers of all our formats accept."""
    return len(text) <= MAX_LENGTH and _URL.fullmatch(text) is not None


def is_email(text: str) -> bool:
    """Whether this is an e-mail address that the readers of all our formats accept."""
    return len(text) <= MAX_LENGTH and _EMAIL.fullmatch(text) is not None
