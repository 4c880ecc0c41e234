"""Reconciling a token: accepted or not, and how far it is in force."""

from datetime import UTC, datetime
from pathlib import Path

from tests.operator.build import (
    group_manifest,
    policy_manifest,
    rule,
    server_manifest,
    token_manifest,
)
from tests.operator.reconcilers import NOW, Bench, furnished, running_pod

from ostiary_operator.cache import Cache
from ostiary_operator.controller import Key
from ostiary_operator.models import Models
from ostiary_operator.resources import GROUPS, PODS, POLICIES, SERVERS, TOKENS
from ostiary_operator.tokens import Books

CI = Key(TOKENS, "tools", "ci")
NAMING = policy_manifest(rule({"tokens": {"names": ["ci"]}}))


def open_to_tokens(it: Bench) -> None:
    it.see(SERVERS, server_manifest())
    it.see(POLICIES, NAMING)
    it.see(TOKENS, token_manifest())


def hashes(it: Bench) -> list[str]:
    return [one["sha256"] for one in it.document["servers"][0].get("tokens", ())]


async def test_a_token_opens_the_server_whose_policy_names_it(tmp_path: Path) -> None:
    async with furnished(tmp_path) as it:
        open_to_tokens(it)
        await it.look()

        await it.tokens.reconcile(CI)

        assert hashes(it) == ["a" * 64]
        assert it.status(CI)["opens"] == 1
        assert it.condition(CI, "Accepted") == ("True", "Accepted")


async def test_it_is_in_force_once_the_pods_have_the_document(tmp_path: Path) -> None:
    async with furnished(tmp_path) as it:
        open_to_tokens(it)
        it.see(PODS, running_pod())
        await it.look()
        await it.tokens.reconcile(CI)
        assert it.condition(CI, "Programmed") == ("False", "PartiallyProgrammed")

        await it.answer(it.generation)
        await it.look()
        await it.tokens.reconcile(CI)

        assert it.status(CI)["enforced"] == "1/1"
        assert it.condition(CI, "Ready") == ("True", "Ready")


async def test_a_token_that_was_taken_away_is_in_no_document(tmp_path: Path) -> None:
    async with furnished(tmp_path) as it:
        open_to_tokens(it)
        await it.look()
        it.lose(CI)

        await it.look()

        assert hashes(it) == []
        assert await it.tokens.reconcile(CI) is None


async def test_a_token_that_is_being_deleted_is_in_no_document_either(tmp_path: Path) -> None:
    async with furnished(tmp_path) as it:
        open_to_tokens(it)
        it.edit(CI, deletionTimestamp="2029-06-02T00:00:00Z")

        await it.look()

        assert hashes(it) == []


async def test_a_personal_token_that_nobody_vouched_for_is_in_no_document(tmp_path: Path) -> None:
    async with furnished(tmp_path) as it:
        it.see(SERVERS, server_manifest())
        it.see(POLICIES, policy_manifest(rule({"users": {"names": ["alice"]}})))
        it.see(TOKENS, token_manifest(user="alice"))
        await it.look()

        await it.tokens.reconcile(CI)

        assert hashes(it) == []
        assert it.condition(CI, "Accepted") == ("False", "PersonalTokensOff")
        assert it.status(CI)["opens"] == 0


async def test_an_invalid_token_is_told_what_to_write(tmp_path: Path) -> None:
    async with furnished(tmp_path) as it:
        it.see(TOKENS, token_manifest(expires="2030-13-01T00:00:00Z"))

        await it.tokens.reconcile(CI)

        assert it.condition(CI, "Accepted") == ("False", "Invalid")


async def test_a_token_is_looked_at_again_when_it_ends(tmp_path: Path) -> None:
    end = datetime.fromtimestamp(NOW.timestamp() + 100, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    async with furnished(tmp_path) as it:
        it.see(TOKENS, token_manifest(expires=end, creationTimestamp="2026-01-01T00:00:00Z"))
        first = await it.tokens.reconcile(CI)
        it.see(TOKENS, token_manifest("old", expires="2026-01-02T00:00:00Z", sha256="b" * 64))
        second = await it.tokens.reconcile(Key(TOKENS, "tools", "old"))

    assert first == 101
    assert second is None
    assert it.condition(Key(TOKENS, "tools", "old"), "Ready") == ("False", "Expired")


def test_the_book_is_written_anew_only_for_news() -> None:
    cache = Cache()
    books = Books(Models(cache), lambda: None)
    first = token_manifest(resourceVersion="1")
    cache.see(TOKENS, first)
    before = books.current

    cache.see(TOKENS, {**token_manifest(resourceVersion="2"), "status": {"opens": 1}})

    assert books.current is before
    cache.lose(TOKENS, first)
    assert books.current.accepted == ()
    assert len(before.accepted) == 1


async def test_a_token_of_a_group_opens_its_members_through_it_alone(tmp_path: Path) -> None:
    everyday = group_manifest(
        {"members": [{"server": {"name": "time"}}]}, namespace="tools", uid="g-1"
    )
    token = token_manifest()
    token["spec"]["restrictTo"] = [{"kind": "MCPGroup", "namespace": "tools", "name": "everyday"}]
    async with furnished(tmp_path) as it:
        it.see(SERVERS, server_manifest())
        it.see(POLICIES, NAMING)
        it.see(TOKENS, token)
        await it.look()
        alone = hashes(it)
        it.see(GROUPS, everyday)
        await it.look()
        await it.groups.reconcile(Key(GROUPS, "tools", "everyday"))
        await it.tokens.reconcile(CI)

        assert alone == []
        assert hashes(it) == ["a" * 64]
        assert it.document["servers"][0]["tokens"][0]["groups"] == ["g-1"]
        assert it.status(CI)["opens"] == 1
        assert it.condition(CI, "Programmed") == ("False", "PartiallyProgrammed")


async def test_a_group_that_is_not_there_opens_nothing(tmp_path: Path) -> None:
    token = token_manifest()
    token["spec"]["restrictTo"] = [{"kind": "MCPGroup", "namespace": "tools", "name": "time"}]
    async with furnished(tmp_path) as it:
        it.see(SERVERS, server_manifest())
        it.see(POLICIES, NAMING)
        it.see(TOKENS, token)
        await it.look()
        await it.tokens.reconcile(CI)

        assert hashes(it) == []
        assert it.status(CI)["opens"] == 0
