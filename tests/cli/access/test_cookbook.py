"""Every answer that the cookbook gives is the one that its own manifests give."""

import contextlib
import io
import json
from pathlib import Path

import pytest
from tests.cli.access.asking import ask
from tests.cli.access.cookbook import PAGE, RECIPES, Recipe

from ostiary_cli.__main__ import main


def test_there_are_thirty_and_each_says_a_yes_and_a_no() -> None:
    assert len(RECIPES) == 30
    assert len({recipe.title for recipe in RECIPES}) == 30
    without_yes = [it.title for it in RECIPES if "Allowed" not in {why for _, why in it.questions}]
    assert without_yes == ["30. Onboarding: nobody yet"]
    without_no = [it.title for it in RECIPES if {why for _, why in it.questions} == {"Allowed"}]
    assert without_no == []


def test_the_list_at_the_top_leads_to_each() -> None:
    top = PAGE.read_text().partition("\n## ")[0]
    for recipe in RECIPES:
        number, _, name = recipe.title.partition(". ")
        kept = "".join(c for c in recipe.title.lower() if c.isalnum() or c in " -")
        assert f"{number}. [{name}](#{kept.replace(' ', '-')})" in top


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda it: it.title)
def test_its_answers_are_those_of_its_manifests(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe.yaml)
    for command in recipe.commands:
        with contextlib.redirect_stdout(io.StringIO()):
            assert main([*command, "-f", str(tmp_path)]) == 0, command
    for words, reason in recipe.questions:
        code, out, err = ask(*words, "-f", str(tmp_path), "--output", "json")
        answer = json.loads(out)
        assert (answer["reason"], code) == (reason, 0 if reason == "Allowed" else 1), (words, err)
