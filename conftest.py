"""Fixtures that every test folder shares: a real API server, kubectl, helm, namespaces."""

pytest_plugins = ["e2e.cluster.plugin"]
