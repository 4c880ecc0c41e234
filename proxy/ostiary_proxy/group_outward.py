"""What a member of a group says, as the group's clients have to hear it.  Pure.

Only the places that name a tool, a prompt or a resource are rewritten (protocol.md 47): text, HTML
and structured content are the server's own words, and what no revision knows passes as it came.
Nothing is changed in place, and what needs no change is the very object that came: then the bytes
that came may be sent on.  What has the wrong type where a name should be stays so; in a list such
an item is left out, as is a tool or prompt whose name another member has too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ostiary_proxy.era import LISTS
from ostiary_proxy.group_names import GroupNames
from ostiary_proxy.message import INVALID_PARAMS, Json
from ostiary_proxy.twins import unclear_item

ORIGINAL_KEY: Final = "ostiary.dev/uri"
"""In `_meta` of a resource that a client might rather fetch by itself: where it is."""

_NOT_FOUND: Final = (INVALID_PARAMS, -32002)
_WEB: Final = ("https:", "http:")
_NESTED: Final = 2
"""Content within content: a tool's result within a message for sampling, and no further."""


def response(method: str, data: Json, alias: str, names: GroupNames) -> Json:
    """A whole response to a request of this method."""
    if names.sole is not None:
        return data
    speech = _Speech(alias, names)
    changed = _replaced(data, "result", lambda value: _object(value, speech.result, method))
    return _replaced(changed, "error", _failure(speech))


def item(method: str, data: Json, alias: str, names: GroupNames) -> Json | None:
    """One item of a list; None: it is left out."""
    if names.sole is not None:
        return data
    key = LISTS[method][0]
    changed = _Speech(alias, names).result(method, {key: [data]})
    kept: list[Json] = changed[key]
    return kept[0] if kept else None


def said(data: Json, alias: str, names: GroupNames) -> Json:
    """A request or notification of the member's own."""
    method = data.get("method")
    if names.sole is not None or not isinstance(method, str):
        return data
    speech = _Speech(alias, names)
    return _replaced(data, "params", lambda value: _object(value, speech.params, method))


@dataclass(frozen=True, slots=True)
class _Speech:
    """One member's, in one group."""

    alias: str
    names: GroupNames

    def result(self, method: str, value: Json) -> Json:
        match method:
            case "tools/list":
                changed = _replaced(value, "tools", _kept("name", self._tool))
            case "prompts/list":
                changed = _replaced(value, "prompts", _kept("name", self._prompt))
            case "resources/list":
                changed = _replaced(value, "resources", _kept("uri", self._link))
            case "resources/templates/list":
                listed = _kept("uriTemplate", self._template)
                changed = _replaced(value, "resourceTemplates", listed)
            case "tools/call":
                changed = self._app(_replaced(value, "content", self._content))
            case "prompts/get":
                changed = _replaced(value, "messages", _each(self._message))
            case "resources/read":
                changed = _replaced(value, "contents", _each(self._contents))
            case _:
                return value
        # Any of them may ask something first.
        return _replaced(changed, "inputRequests", self._questions)

    def params(self, method: str, value: Json) -> Json:
        match method:
            case "sampling/createMessage":
                return _replaced(value, "messages", _each(self._message))
            case "notifications/resources/updated":
                return _replaced(value, "uri", self.uri)
            case "notifications/subscriptions/acknowledged":
                return _replaced(value, "notifications", self._acknowledged)
        return value

    def uri(self, value: object) -> object:
        return self.names.uris.outward(self.alias, value) if isinstance(value, str) else value

    def _tool(self, item: Json) -> Json | None:
        shown = self.names.tools.shown(self.alias, item["name"])
        return None if shown is None else self._app({**item, "name": shown})

    def _prompt(self, item: Json) -> Json | None:
        shown = self.names.prompts.shown(self.alias, item["name"])
        return None if shown is None else {**item, "name": shown}

    def _template(self, item: Json) -> Json:
        return {**item, "uriTemplate": self.uri(item["uriTemplate"])}

    def _link(self, item: Json) -> Json:
        """To a resource, which is read through the group; a client that would fetch it from the
        web itself finds where."""
        uri, meta = item.get("uri"), item.get("_meta", {})
        changed = _replaced(item, "uri", self.uri)
        if isinstance(uri, str) and uri.lower().startswith(_WEB) and isinstance(meta, dict):
            changed = {**changed, "_meta": {**meta, ORIGINAL_KEY: uri}}
        return changed

    def _app(self, item: Json) -> Json:
        """The app that shows a tool, or what it answered: in either of two places."""
        return _replaced(item, "_meta", self._app_in_meta)

    def _app_in_meta(self, meta: object) -> object:
        if not isinstance(meta, dict):
            return meta
        changed = _replaced(meta, "ui/resourceUri", self.uri)
        return _replaced(changed, "ui", lambda ui: _inside(ui, "resourceUri", self.uri))

    def _content(self, value: object, nested: int = _NESTED) -> object:
        """One block, or a list of them."""
        if isinstance(value, list):
            return _each(lambda block: self._block(block, nested))(value)
        return self._block(value, nested)

    def _block(self, block: object, nested: int) -> object:
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(block, dict) or nested == 0:
            return block
        match kind:
            case "resource_link":
                return self._link(block)
            case "resource":
                return _replaced(block, "resource", self._contents)
            case "tool_result":
                return _replaced(block, "content", lambda it: self._content(it, nested - 1))
        return block

    def _contents(self, value: object) -> object:
        return _inside(value, "uri", self.uri)

    def _message(self, value: object) -> object:
        return _inside(value, "content", self._content)

    def _questions(self, value: object) -> object:
        if not isinstance(value, dict):
            return value
        asked = {key: self._question(one) for key, one in value.items()}
        return asked if any(asked[key] is not value[key] for key in value) else value

    def _question(self, value: object) -> object:
        method = value.get("method") if isinstance(value, dict) else None
        if not isinstance(method, str):
            return value
        return _inside(value, "params", lambda it: _object(it, self.params, method))

    def _acknowledged(self, value: object) -> object:
        return _inside(value, "resourceSubscriptions", _each(self.uri))


def _failure(speech: _Speech) -> Callable[[object], object]:
    """Of an error that says which resource there is not."""

    def changed(error: object) -> object:
        if not isinstance(error, dict) or error.get("code") not in _NOT_FOUND:
            return error
        return _replaced(error, "data", lambda data: _inside(data, "uri", speech.uri))

    return changed


def _replaced(holder: Json, key: str, change: Callable[[Any], object]) -> Json:
    """The object itself where nothing changes, or nothing is there."""
    if key not in holder:
        return holder
    value = change(holder[key])
    return holder if value is holder[key] else {**holder, key: value}


def _inside(value: object, key: str, change: Callable[[Any], object]) -> object:
    return _replaced(value, key, change) if isinstance(value, dict) else value


def _object(value: object, change: Callable[[str, Json], Json], method: str) -> object:
    return change(method, value) if isinstance(value, dict) else value


def _each(change: Callable[[Any], object]) -> Callable[[object], object]:
    """For the items of a list."""

    def changed(value: object) -> object:
        if not isinstance(value, list):
            return value
        items = [change(item) for item in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else items

    return changed


def _kept(key: str, change: Callable[[Json], Json | None]) -> Callable[[object], object]:
    """For the items of a list that clients choose from by `key`: without those that have none, or
    for some parser another one, behind which another member's thing could be hidden."""

    def changed(value: object) -> object:
        if not isinstance(value, list):
            return value
        clear = (item for item in value if _is_clear(item, key))
        return [item for item in map(change, clear) if item is not None]

    return changed


def _is_clear(item: object, key: str) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get(key), str):
        return False
    return not unclear_item(item, key)
