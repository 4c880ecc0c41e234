"""The environment that a pod would have had, from manifests."""

from pathlib import Path

import pytest
from tests.cli.folders import server, write

from ostiary_cli.environment import Missing, environment_of, expand
from ostiary_cli.manifests import read_folder

SECRET = """apiVersion: v1
kind: Secret
metadata: {name: saas}
stringData: {token: s3cret, user: me}
"""
SETTINGS = """apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LEVEL: debug, HOST: example}
"""


def environment(tmp_path: Path, *lines: str) -> dict[str, str] | Missing:
    found = read_folder(
        write(tmp_path, a=server("time", "command: [x]", *lines), b=SECRET, c=SETTINGS)
    )
    assert not found.problems, found.problems
    return environment_of(found.servers["default/time"][0], found)


def test_env_stands_over_env_from_and_refers_to_it(tmp_path: Path) -> None:
    found = environment(
        tmp_path,
        "envFrom:",
        "- configMapRef: {name: settings}",
        "- {prefix: SAAS_, secretRef: {name: saas}}",
        "- configMapRef: {name: absent, optional: true}",
        "env:",
        "- {name: LEVEL, value: info}",
        "- {name: URL, value: 'https://$(SAAS_user)@$(HOST)/$(NOBODY)$$(HOST)'}",
        "- {name: TOKEN, valueFrom: {secretKeyRef: {name: saas, key: token}}}",
        "- {name: NONE, valueFrom: {secretKeyRef: {name: saas, key: nope, optional: true}}}",
        "- {name: EMPTY}",
    )

    assert found == {
        "LEVEL": "info",
        "HOST": "example",
        "SAAS_token": "s3cret",
        "SAAS_user": "me",
        "URL": "https://me@example/$(NOBODY)$(HOST)",
        "TOKEN": "s3cret",
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    ("lines", "path", "words"),
    [
        (
            ("envFrom: [{secretRef: {name: gone}}]",),
            "spec.envFrom[0]",
            "Secret default/gone is not in this folder: add a manifest of it, with stringData",
        ),
        (
            ("env: [{name: A, valueFrom: {configMapKeyRef: {name: gone, key: k}}}]",),
            "spec.env[0].valueFrom.configMapKeyRef",
            "ConfigMap default/gone is not in this folder",
        ),
        (
            ("env: [{name: A, valueFrom: {secretKeyRef: {name: saas, key: k}}}]",),
            "spec.env[0].valueFrom.secretKeyRef",
            "Secret default/saas has no key k; its keys: token, user",
        ),
        (
            ("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",),
            "spec.env[0].valueFrom.fieldRef",
            "there is no pod here",
        ),
        (
            ("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]",),
            "spec.env[0].valueFrom.resourceFieldRef",
            "there is no pod here",
        ),
    ],
)
def test_what_cannot_be_had_is_named(
    tmp_path: Path, lines: tuple[str, ...], path: str, words: str
) -> None:
    found = environment(tmp_path, *lines)

    assert isinstance(found, Missing)
    assert found.path == path
    assert words in found.message


@pytest.mark.parametrize(
    ("text", "value"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$$$(A)", "$1"), ("$A ${A} $()", "$A ${A} $()")],
)
def test_references_are_expanded_as_the_kubelet_does(text: str, value: str) -> None:
    assert expand(text, {"A": "1"}) == value
