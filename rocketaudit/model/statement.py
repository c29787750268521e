"""What the policy states of components, because no image states it of itself."""

from __future__ import annotations

from collections.abc import Mapping

from rocketaudit.model.records import dataclass

# creator: an e-mail address or a URL (BSI TR-03183-2 v2.1, 5.2.2); licences are SPDX expressions
STATED = ("creator", "creator-name", "licence", "distribution-licence", "source-url", "distribution-url")


@dataclass(frozen=True, slots=True)
class Statement:
    """Values for the components that one of `match` names; `basis`, where they come from, goes into the document.

    `match` are shell patterns over the package URL, the reference ("file:/usr/bin/x", "os") and "publisher:NAME".
    `values` maps names of `STATED` to text: {url}, {declared} and {package} stand for what the image states as home
    page and licences, and for what the package of a file has; {name}, {version} and {path} may stand inside a URL. A
    value whose placeholder stands for nothing is not stated, and a later statement may state it.
    """

    match: tuple[str, ...]
    basis: str
    values: Mapping[str, str]
