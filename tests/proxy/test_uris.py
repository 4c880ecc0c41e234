"""What a group calls its members' resources: both ways, listed or not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy.group_shapes import ALIAS_PATTERN, GroupBackend
from ostiary_proxy.names import Owned
from ostiary_proxy.uris import UriNaming, inward, outward, uri_naming

ALIASES = st.from_regex(ALIAS_PATTERN, fullmatch=True).filter(lambda text: len(text) <= 54)
SCHEMES = st.sampled_from(["file", "https", "ui", "UI", "git+ssh", "memo", "a.b-c", "", "1x", "é"])
URIS = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="ui:/+a{}", max_size=12),
    st.builds("{}{}{}".format, SCHEMES, st.sampled_from([":", "://", ":///", "", "+:"]), st.text()),
)


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ("ui://board/index.html", "ui://a/board/index.html"),
        ("ui://", "ui://a/"),
        ("ui:///x", "ui://a//x"),
        ("ui:opaque", "a+ui:opaque"),
        ("UI://board", "a+UI://board"),
        ("file:///etc/hosts", "a+file:///etc/hosts"),
        ("https://x.example/?q=a+b:c", "a+https://x.example/?q=a+b:c"),
        ("git+ssh://x", "a+git+ssh://x"),
        ("memo:x", "a+memo:x"),
        ("notes/today", "a+:notes/today"),
        ("a+b", "a+:a+b"),
        (":x", "a+::x"),
        ("", "a+:"),
        ("db:///{table}{?limit}", "a+db:///{table}{?limit}"),
        ("{scheme}://{+rest}", "a+:{scheme}://{+rest}"),
        ("ui://{view}/x", "ui://a/{view}/x"),
    ],
    ids=ascii,
)
def test_what_a_resource_is_called(own: str, shown: str) -> None:
    assert outward("a", own) == shown
    assert inward(shown) == Owned("a", own)


@given(alias=ALIASES, uri=URIS)
def test_what_goes_out_comes_back(alias: str, uri: str) -> None:
    assert inward(outward(alias, uri)) == (alias, uri)


@given(uri=st.one_of(URIS, st.builds("{}+{}".format, ALIASES, URIS)))
def test_what_comes_in_goes_out_as_the_same_thing(uri: str) -> None:
    found = inward(uri)

    assert found is None or inward(outward(*found)) == found


@given(one=st.tuples(ALIASES, URIS), other=st.tuples(ALIASES, URIS))
def test_two_resources_never_share_a_uri(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (outward(*one) == outward(*other)) == (one == other)


@given(alias=ALIASES, uri=URIS)
def test_it_has_a_scheme_and_an_apps_stays_an_apps(alias: str, uri: str) -> None:
    shown = outward(alias, uri)

    assert re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", shown)
    assert shown.startswith("ui://") == uri.startswith("ui://")


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{scheme}://x", [("{scheme}", "file")]),
        ("ui{+rest}", [("{+rest}", "://board")]),
        ("memo:{id}", [("{id}", "1+2:3")]),
        ("ui://{view}", [("{view}", "board")]),
        ("{+all}", [("{+all}", "ui://board")]),
    ],
    ids=["scheme", "an app's", "opaque", "a view", "all of it"],
)
def test_what_a_client_makes_of_a_template_leads_back(
    template: str, made: list[tuple[str, str]]
) -> None:
    shown, own = outward("a", template), template
    for variable, value in made:
        shown, own = shown.replace(variable, value), own.replace(variable, value)

    assert inward(shown) == ("a", own)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "file:///x",
        "ui://board",
        "ui://Board/x",
        "ui:///x",
        "A+file:///x",
        "a+x",
        "a+",
        "a",
        "+file:///x",
        "a\n+file:///x",
        "-a+file:///x",
        "file:///x+y:z",
        "b" * 55 + "+x:y",
        "ui://" + "b" * 10_000,
    ],
    ids=lambda uri: ascii(uri)[:20],
)
def test_what_is_no_members_is_nobodys(uri: str) -> None:
    assert inward(uri) is None


def test_a_group_knows_only_its_own_members() -> None:
    naming = UriNaming(frozenset({"a", "b"}))

    assert naming.inward("a+memo:x") == ("a", "memo:x")
    assert naming.inward("git+ssh://x") is None
    assert naming.outward("b", "memo:x") == "b+memo:x"


def group(mode: str, *aliases: str) -> GroupBackend:
    members = [{"alias": one, "namespace": "n", "name": one, "uid": "u"} for one in aliases]
    return GroupBackend.model_validate({"members": members, "naming": {"mode": mode}})


@pytest.mark.parametrize(
    ("of", "shown"),
    [
        (group("Always", "a"), "a+memo:x"),
        (group("Always", "a", "b"), "a+memo:x"),
        (group("Never", "a", "b"), "a+memo:x"),
        (group("Never", "a"), "memo:x"),
    ],
    ids=["one, prefixed", "two, prefixed", "two, bare", "one, bare"],
)
def test_only_a_single_member_under_its_own_names_keeps_its_uris(
    of: GroupBackend, shown: str
) -> None:
    naming = uri_naming(of)

    assert naming.outward("a", "memo:x") == shown
    assert naming.inward(shown) == ("a", "memo:x")


@given(uri=URIS)
def test_a_single_member_is_asked_whatever_the_client_says(uri: str) -> None:
    naming = uri_naming(group("Never", "a"))

    assert naming.inward(uri) == ("a", naming.outward("a", uri))
