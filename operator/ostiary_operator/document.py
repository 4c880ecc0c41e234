"""Which config document a root's ConfigMap should hold now, and under which generation.

The generation grows by one whenever the bytes would otherwise differ from what is there: by a
change of content, and by a hand that wrote into the ConfigMap.  Pure.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from ostiary_proxy.config import CONFIG_FILE, ProxyConfig

from .render import proxy_config, shrink
from .resources import Manifest


@dataclass(frozen=True, slots=True)
class Document:
    config: ProxyConfig
    text: str
    is_new: bool
    """The ConfigMap does not hold it yet."""
    too_large: bool
    """What should be there does not fit; this is what stands in its place."""

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.text.encode()).hexdigest()


def choose(wanted: ProxyConfig, *, live: Manifest | None, known: Iterable[int]) -> Document:
    """`known`: generations that were written or reported before, whatever the ConfigMap says."""
    standing = _text_of(live)
    bounded = shrink.bounded(wanted, _parsed(standing))
    last = max([generation_of(standing), *known])
    if last:
        kept = _encoded(bounded, last, is_new=False)
        if kept.text == standing:
            return kept
    return _encoded(bounded, last + 1, is_new=True)


def generation_of(text: str) -> int:
    """0 where no document can be read."""
    try:
        found = json.loads(text)["generation"]
    except (ValueError, KeyError, TypeError):
        return 0
    return found if isinstance(found, int) and found > 0 else 0


def _encoded(bounded: shrink.Bounded, generation: int, *, is_new: bool) -> Document:
    numbered = bounded.document.model_copy(update={"generation": generation})
    return Document(numbered, proxy_config.encode(numbered), is_new, bounded.too_large)


def _parsed(text: str) -> ProxyConfig | None:
    try:
        return ProxyConfig.model_validate_json(text)
    except ValueError:
        return None


def _text_of(config_map: Manifest | None) -> str:
    return str(((config_map or {}).get("data") or {}).get(CONFIG_FILE, ""))
