"""The settings document in a folder."""

from pathlib import Path

import pytest
from tests.cli.folders import server, write

from ostiary_cli.folder_settings import issuers_in
from ostiary_cli.manifests import read_folder
from ostiary_operator.settings import SettingsInvalid

ISSUER = "issuers: [{name: team, url: https://id.example}]\n"
KEY = "ostiary-system/ostiary-settings"


@pytest.mark.parametrize("image", ["", "proxyImage: registry.example/proxy:1\n"])
def test_a_laptop_needs_no_image_of_the_proxy(image: str) -> None:
    (found,) = issuers_in({KEY: {"settings.yaml": image + ISSUER}, "a/b": {"x": "y"}})

    assert (found.name, found.url) == ("team", "https://id.example")


@pytest.mark.parametrize("text", ["", "{}", "drainSeconds: 5"])
def test_a_document_without_issuers_has_none(text: str) -> None:
    assert issuers_in({KEY: {"settings.yaml": text}}) == ()


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        ({KEY: {}}, "no key settings.yaml"),
        ({KEY: {"settings.yaml": "issuers: ["}}, "not YAML"),
        ({KEY: {"settings.yaml": "[]"}}, "settings.yaml"),
        ({KEY: {"settings.yaml": "issuers: [{name: x}]"}}, r"issuers\.0\.url"),
        ({KEY: {"settings.yaml": "issuer: x"}}, "issuer"),
        ({KEY: {"settings.yaml": ISSUER}, "b/ostiary-settings": {}}, "two of them"),
    ],
)
def test_what_a_cluster_refuses_is_refused(maps: dict[str, dict[str, str]], words: str) -> None:
    with pytest.raises(SettingsInvalid, match=words):
        issuers_in(maps)


def settings(text: str) -> str:
    body = "".join(f"    {line}\n" for line in text.splitlines())
    return (
        "apiVersion: v1\nkind: ConfigMap\n"
        "metadata: {name: ostiary-settings, namespace: ostiary-system}\n"
        f"data:\n  settings.yaml: |\n{body}"
    )


def test_a_broken_document_is_a_problem_of_the_folder(tmp_path: Path) -> None:
    write(
        tmp_path,
        a=server("time", "command: [x]"),
        b=settings("issuers: [{name: team, url: http://x}]"),
    )

    (problem,) = read_folder(tmp_path).problems

    assert "issuers.0.url" in str(problem)
    assert "https://" in str(problem)


def test_the_issuers_come_with_the_folder(tmp_path: Path) -> None:
    write(tmp_path, a=server("time", "command: [x]"), b=settings(ISSUER))

    found = read_folder(tmp_path)

    assert [it.name for it in found.issuers] == ["team"]
    assert found.problems == []
