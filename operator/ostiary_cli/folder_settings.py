"""The cluster admin's settings document, where a folder holds one: whose tokens are taken here.

Only `issuers` means something on this machine; the rest is read all the same, so that a document
that a cluster would refuse is refused here.
"""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from ostiary_operator.settings import SETTINGS_KEY, SettingsInvalid, parse_settings
from ostiary_operator.trusted_issuers import TrustedIssuer

NAME: Final = "ostiary-settings"
"""Of the ConfigMap, in whatever namespace."""
_UNUSED_IMAGE: Final = "unused"
"""The chart writes the proxy's image; a folder need not."""


def issuers_in(config_maps: Mapping[str, Mapping[str, str]]) -> tuple[TrustedIssuer, ...]:
    """`config_maps`: data by `<namespace>/<name>`.  Raises SettingsInvalid."""
    found = sorted(key for key in config_maps if key.partition("/")[2] == NAME)
    if not found:
        return ()
    if len(found) > 1:
        raise SettingsInvalid(f"there are two of them: {' and '.join(found)}; keep one")
    text = config_maps[found[0]].get(SETTINGS_KEY)
    if text is None:
        raise SettingsInvalid(f"it has no key {SETTINGS_KEY}")
    return parse_settings(_with_image(text)).issuers


def _with_image(text: str) -> str:
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if document is None:
        document = {}
    if not isinstance(document, dict) or "proxyImage" in document:
        return text
    return yaml.safe_dump({**document, "proxyImage": _UNUSED_IMAGE})
