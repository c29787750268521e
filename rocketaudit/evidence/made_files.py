"""Files as a node has them: as they lie there, as it makes them from a template, or as the factory has them."""

from __future__ import annotations

from rocketaudit.errors import FormatError
from rocketaudit.evidence.config_files import FACTORY, ConfigFile, read_config
from rocketaudit.evidence.settings import Defaults
from rocketaudit.formats.handlebars import render
from rocketaudit.model.fact import State
from rocketaudit.source.tree import Tree


def made_file(tree: Tree, path: str, defaults: Defaults) -> tuple[ConfigFile, tuple[bytes, ...]]:
    """A file and the texts that it may have: as it is, as its template gives it on a node, as the factory has it."""
    found = read_config(tree, path)
    if found.state is not State.ABSENT:
        return found, (found.data,)
    rendered, texts = _from_template(tree, path, defaults)
    if rendered.state is not State.ABSENT:
        return rendered, texts
    found = read_config(tree, f"{FACTORY}{path}")
    if found.state is State.ABSENT and defaults.file.state is State.UNREAD:
        return ConfigFile(path, State.UNREAD, defaults.file.where, reason=defaults.file.reason), ()
    return found, (found.data,)


def _from_template(tree: Tree, path: str, defaults: Defaults) -> tuple[ConfigFile, tuple[bytes, ...]]:
    """The template that the defaults name for a path, rendered with the default settings under both assumptions."""
    made = next((one for one in defaults.made_files if one.path == path), None)
    if made is None:
        return ConfigFile(path, State.ABSENT, tree.locate(path)), ()
    template = read_config(tree, made.template)
    if template.state is not State.PRESENT:
        reason = template.reason or f"its template {made.template} is missing"
        return ConfigFile(path, State.UNREAD, template.where, reason=reason), ()
    try:
        texts = tuple(render(template.data, defaults.settings, assume=assume).encode() for assume in (False, True))
    except (FormatError, RecursionError) as error:
        return ConfigFile(path, State.UNREAD, template.where, reason=str(error)), ()
    return template, tuple(dict.fromkeys(texts))
