"""The cluster admin's settings, as they stand now: the last document that could be read.

A broken edit changes nothing and is said in the log; a missing or broken document at start is
fatal, because nothing can be rendered without it.
"""

import logging

from .cache import Cache
from .cluster import Cluster, Missing
from .resources import CONFIG_MAPS, Manifest
from .settings import SETTINGS_KEY, ClusterSettings, SettingsInvalid, parse_settings

log = logging.getLogger(__name__)


class LiveSettings:
    def __init__(self, *, cache: Cache, namespace: str, name: str) -> None:
        self._cache = cache
        self._namespace = namespace
        self._name = name
        self._version = ""
        self._current: ClusterSettings | None = None

    @property
    def place(self) -> tuple[str, str]:
        return self._namespace, self._name

    async def load(self, cluster: Cluster) -> None:
        """Raises SettingsInvalid, or ApiError."""
        where = f"ConfigMap {self._namespace}/{self._name}"
        try:
            manifest = await cluster.get(CONFIG_MAPS, self._namespace, self._name)
        except Missing as err:
            raise SettingsInvalid(f"{where} does not exist: the chart makes it") from err
        self._take(manifest)
        self._cache.see(CONFIG_MAPS, manifest)

    @property
    def current(self) -> ClusterSettings:
        manifest = self._cache.get(CONFIG_MAPS, self._namespace, self._name)
        if manifest and manifest["metadata"]["resourceVersion"] != self._version:
            try:
                self._take(manifest)
            except SettingsInvalid as err:
                log.error("the settings are broken, the last good ones stay: %s", err)
        assert self._current is not None, "settings were never loaded"
        return self._current

    def _take(self, manifest: Manifest) -> None:
        self._version = manifest["metadata"]["resourceVersion"]
        text = (manifest.get("data") or {}).get(SETTINGS_KEY)
        if text is None:
            raise SettingsInvalid(f"the settings ConfigMap has no key {SETTINGS_KEY}")
        self._current = parse_settings(text)
