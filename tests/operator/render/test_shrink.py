"""What is written when a document does not fit: never a grant that the new one lacks."""

from typing import Any

import pytest
from tests.operator.build import ENV, SETTINGS, accounts, group, policy, rule, server, stdio

from ostiary_operator.render import ServerView, gateway
from ostiary_operator.render.expose import NOT_EXPOSED, Exposure
from ostiary_operator.render.group_links import group_link
from ostiary_operator.render.members import MemberView
from ostiary_operator.render.proxy_config import is_too_large, render
from ostiary_operator.render.shrink import bounded
from ostiary_proxy.config import AccessToken, GroupBackend, Member, ProxyConfig, Subject

MANY = {f"namespace-{number:050}": {"team": "all"} for number in range(16_000)}
HUGE = rule(accounts("huge", selector={"matchLabels": {"team": "all"}}), name="huge")


def document(*policies: Any, generation: int = 1, **spec: Any) -> ProxyConfig:
    view = ServerView(
        policies=tuple(policies),
        namespaces={"tools": {}, **MANY},
        generation=generation,
        exposure=spec.pop("exposure", NOT_EXPOSED),
    )
    return render(stdio(**spec), view, SETTINGS, ENV)


def shrunk(last: ProxyConfig | None, *rules: Any, **more: Any) -> ProxyConfig:
    """What is written when these rules and a huge one are wanted."""
    spec = more.pop("spec", {}) | {"exposure": more.pop("exposure", NOT_EXPOSED)}
    wanted = document(policy(*rules, HUGE, **more), generation=2, **spec)
    result = bounded(wanted, last)
    assert result.too_large
    assert not is_too_large(result.document)
    return result.document


def with_tokens(found: ProxyConfig, *digits: str) -> ProxyConfig:
    tokens = tuple(
        AccessToken(namespace="tools", name=digit, sha256=digit * 64, expires=1) for digit in digits
    )
    server = found.servers[0].model_copy(update={"tokens": tokens})
    return found.model_copy(update={"servers": (server,)})


def test_of_access_tokens_only_those_stand_that_stood_and_are_wanted() -> None:
    last = with_tokens(document(policy(rule())), "a", "b")
    wanted = with_tokens(document(policy(rule(), HUGE), generation=2), "b", "c")

    result = bounded(wanted, last)

    assert result.too_large
    assert [it.name for it in result.document.servers[0].tokens] == ["b"]
    assert bounded(wanted, None).document.servers[0].tokens == ()


def test_a_group_that_is_left_is_left_and_a_new_one_waits() -> None:
    old, kept, new = (group_link(group(name=name), "time") for name in ("old", "kept", "new"))
    last, wanted = document(policy(rule())), document(policy(rule(), HUGE), generation=2)
    before, after = (
        it.model_copy(update={"servers": (it.servers[0].model_copy(update={"groups": links}),)})
        for it, links in ((last, (old, kept)), (wanted, (kept, new)))
    )

    assert bounded(after, before).document.servers[0].groups == (kept,)
    assert bounded(after, None).document.servers[0].groups == ()


def rules_of(found: ProxyConfig) -> dict[str, Any]:
    return {it.name: it for policy in found.servers[0].policies for it in policy.rules}


def test_a_document_that_fits_is_written_as_it_is() -> None:
    wanted = document(policy(rule()))

    result = bounded(wanted, None)

    assert not result.too_large
    assert result.document == wanted


def test_without_a_last_document_nobody_is_admitted() -> None:
    found = shrunk(None, rule())

    assert found.servers[0].policies == ()


def test_the_new_generation_is_reported_and_what_stood_still_stands() -> None:
    last = document(policy(rule(name="kept")))

    found = shrunk(last, rule(name="kept"))

    assert found.generation == 2
    assert set(rules_of(found)) == {"kept"}


def test_a_rule_that_is_gone_is_gone() -> None:
    last = document(policy(rule(name="kept"), rule(name="gone")))

    assert set(rules_of(shrunk(last, rule(name="kept")))) == {"kept"}


def test_a_policy_that_is_gone_is_gone() -> None:
    last = document(policy(rule(), name="gone"), policy(rule(name="kept")))

    assert set(rules_of(shrunk(last, rule(name="kept")))) == {"kept"}


@pytest.mark.parametrize("was", [True, False], ids=["loses it", "gets it"])
def test_an_anonymous_entry_keeps_the_narrower_of_its_networks(was: bool) -> None:
    walled = {"anonymous": {}, "network": {"namespaces": {"from": "Same"}}}
    open_ = {"anonymous": {}}
    before, after = (walled, open_) if was else (open_, walled)

    found = shrunk(document(policy(rule(before))), rule(after))

    assert rules_of(found)["callers"].subjects == (Subject(kind="anonymous", network=True),)


def test_a_subject_that_is_gone_is_gone() -> None:
    last = document(policy(rule(accounts("a"), accounts("b"), {"anonymous": {}})))

    found = shrunk(last, rule(accounts("b", "c")))

    assert rules_of(found)["callers"].subjects == (
        Subject(kind="serviceAccount", names=("b",), namespaces=("tools",)),
    )


def test_people_and_tokens_stay_and_an_issuers_claims_must_be_the_same() -> None:
    one, other = (
        {"oidc": {"issuer": "https://id.example", "claims": {"groups": [group]}}}
        for group in ("one", "other")
    )
    users, tokens = {"users": {"names": ["alice", "bob"]}}, {"tokens": {"names": ["ci"]}}
    last = document(policy(rule(one, users, tokens)))

    found = shrunk(last, rule(other, {"users": {"names": ["alice"]}}, tokens))

    assert rules_of(found)["callers"].subjects == (
        Subject(kind="user", names=("alice",)),
        Subject(kind="token", names=("ci",), namespaces=("tools",)),
    )


def test_namespaces_are_those_of_both() -> None:
    last = document(policy(rule(accounts("a", to="All"))))

    found = shrunk(last, rule(accounts("a")))

    assert rules_of(found)["callers"].subjects[0].namespaces == ("tools",)


def test_a_narrower_name_replaces_nothing_wider() -> None:
    last = document(policy(rule(accounts("*"))))

    assert rules_of(shrunk(last, rule(accounts("planner")))) == {}


@pytest.mark.parametrize(
    ("before", "wanted", "left"),
    [
        (["get_*"], ["*"], ("get_*",)),
        (["get_*", "set_*"], ["get_*"], ("get_*",)),
        (["*"], ["get_*"], ()),
    ],
    ids=str,
)
def test_a_name_that_is_gone_is_gone(
    before: list[str], wanted: list[str], left: tuple[str, ...]
) -> None:
    last = document(policy(rule(allow={"tools": before, "prompts": ["*"]})))

    found = shrunk(last, rule(allow={"tools": wanted}))

    assert rules_of(found)["callers"].allow.tools == left
    assert rules_of(found)["callers"].allow.prompts is None


def test_denials_of_both_stand_also_in_a_new_policy() -> None:
    last = document(policy(rule(), deny=[{"tools": ["old"]}]))

    found = shrunk(last, rule(), deny=[{"tools": ["new"]}])

    assert [it.tools for it in found.servers[0].policies[0].deny] == [("old",), ("new",)]


def test_the_servers_own_filter_only_narrows() -> None:
    last = document(policy(rule()), tools={"deny": ["old"]})

    found = shrunk(last, rule(), spec={"tools": {"allow": ["get_*"], "deny": ["new"]}})

    assert found.servers[0].tools.allow == ("get_*",)
    assert found.servers[0].tools.deny == ("old", "new")


def test_shrinking_again_changes_nothing() -> None:
    last = document(policy(rule(accounts("a", "b"), accounts("a", to="All"))))
    entries = [accounts("a"), accounts("*", to="All")]

    once = shrunk(last, rule(*entries))
    twice = shrunk(once, rule(*entries))

    assert once == twice


def test_a_way_in_that_is_closed_is_closed_and_a_new_one_waits() -> None:
    before = {"sse": True, "allowedOrigins": ["https://a.example", "https://b.example"]}
    after = {"webSocket": True, "allowedOrigins": ["https://b.example", "https://c.example"]}
    last = document(policy(rule()), clients=before, limits={"concurrency": 9})

    found = shrunk(last, rule(), spec={"clients": after, "limits": {"concurrency": 2}}).servers[0]

    assert not found.clients.sse
    assert not found.clients.webSocket
    assert found.clients.allowedOrigins == ("https://b.example",)
    assert found.limits.concurrency == 2


def test_what_is_pinned_stays_pinned() -> None:
    pinned = {"tools": {"pin": {"mode": "Enforce", "digest": "sha256:" + "a" * 64}}}
    last = document(policy(rule()), **pinned)

    assert shrunk(last, rule(), spec=pinned).servers[0].tools.pin.mode == "Enforce"


def test_a_servers_own_word_counts_only_while_it_did_and_is_wanted() -> None:
    trusting = {"tools": {"trustAnnotations": True}}
    last = document(policy(rule()), **trusting)

    assert shrunk(last, rule(), spec=trusting).servers[0].tools.trustAnnotations
    assert not shrunk(last, rule()).servers[0].tools.trustAnnotations


def grouped(*members: MemberView, own: tuple[Any, ...] = ()) -> ProxyConfig:
    view = gateway.GroupView(members=members, policies=own, namespaces={"tools": {}, **MANY})
    return gateway.render(group(), view, SETTINGS, ENV)


def member(*rules: Any, alias: str = "clock", uid: str = "u-1") -> MemberView:
    policies = (policy(*rules),) if rules else ()
    return MemberView(alias, server(uid=uid), policies)


def on_group(*rules: Any, **more: Any) -> Any:
    refs = [{"kind": "MCPGroup", "name": "everyday"}]
    return policy(*rules, namespace="agents", target=None, targetRefs=refs, **more)


def members_of(found: ProxyConfig) -> dict[str, Member]:
    backend = found.servers[0].backend
    assert isinstance(backend, GroupBackend)
    return {it.alias: it for it in backend.members}


def shrunk_group(
    last: ProxyConfig | None, *members: MemberView, own: tuple[Any, ...] = ()
) -> ProxyConfig:
    result = bounded(grouped(*members, member(HUGE, alias="huge", uid="u-9"), own=own), last)
    assert result.too_large
    assert not is_too_large(result.document)
    return result.document


def test_a_group_keeps_the_members_and_the_rules_that_are_still_wanted() -> None:
    last = grouped(member(rule(name="a"), rule(name="b")), member(alias="gone", uid="u-2"))

    found = members_of(shrunk_group(last, member(rule(name="b"), rule(name="c"))))

    assert list(found) == ["clock"]
    assert [it.name for it in found["clock"].policies[0].rules] == ["b"]


def test_a_member_that_is_another_server_now_is_left_out() -> None:
    last = grouped(member(rule()))

    assert members_of(shrunk_group(last, member(rule(), uid="u-3"))) == {}


def test_a_group_that_never_had_a_document_that_fits_has_no_members() -> None:
    assert members_of(shrunk_group(None, member(rule()))) == {}


def test_a_new_policy_on_a_group_narrows_at_once_and_admits_nobody() -> None:
    """Left out, it would leave the group open to whom the members admit."""
    found = shrunk_group(grouped(member(rule())), member(rule()), own=(on_group(rule()),))

    assert [(it.namespace, it.rules) for it in found.servers[0].policies] == [("agents", ())]


def test_a_rule_on_a_group_keeps_the_members_that_both_name() -> None:
    def words(*aliases: str) -> Any:
        return on_group(rule(allow={"tools": ["*"], "servers": list(aliases)}))

    last = grouped(member(rule()), own=(words("clock", "cart"),))
    found = shrunk_group(last, member(rule()), own=(words("clock", "notes"),))

    (kept,) = found.servers[0].policies[0].rules
    assert kept.allow.servers == ("clock",)


def test_a_url_outside_the_cluster_that_was_taken_away_is_away() -> None:
    expose = {"url": "https://mcp.example.com/time"}
    outside = Exposure(stdio(expose=expose).spec.expose)
    last = render(stdio(), ServerView(exposure=outside, namespaces={"tools": {}}), SETTINGS, ENV)

    kept, gone = shrunk(last, exposure=outside), shrunk(last)

    assert kept.servers[0].exposed == last.servers[0].exposed
    assert kept.servers[0].audiences == last.servers[0].audiences
    assert gone.servers[0].exposed is None
    assert "https://mcp.example.com/time" not in gone.servers[0].audiences
    assert "mcp.example.com" not in gone.servers[0].hosts
