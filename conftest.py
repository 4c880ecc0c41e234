"""Fixtures that every test folder shares: a real API server, kubectl, helm, namespaces."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["e2e.cluster.plugin"]

# A busy machine is no failure: no example has a time to be done in.
settings.register_profile(
    "house", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")
