"""What a group calls its members' tools and prompts: both ways, for ever, and never two alike."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ostiary_proxy.group_shapes import ALIAS_PATTERN, Naming
from ostiary_proxy.names import HASH_DIGITS, Directory, join

ALIASES = st.from_regex(ALIAS_PATTERN, fullmatch=True).filter(lambda text: len(text) <= 54)
USABLE = st.text(alphabet="abzAZ09_.-", max_size=60)
NAMES = st.one_of(USABLE, st.text(max_size=60), st.text(alphabet="_.-a", max_size=8))
ALWAYS = st.builds(
    Naming, separator=st.sampled_from(["_", "__", "."]), maxLength=st.integers(32, 128)
)
NEVER = Naming(mode="Never")
LISTED = st.dictionaries(ALIASES, st.lists(NAMES, max_size=6), max_size=5)


@pytest.mark.parametrize(
    ("separator", "alias", "name", "expected"),
    [
        ("_", "clock", "get_time", "clock_get_time"),
        ("__", "clock", "get_time", "clock__get_time"),
        (".", "clock", "get_time", "clock.get_time"),
        ("_", "clock", "files/read", "clock_files_read_7e84ad3e7f92"),
        ("_", "clock", "a" * 60, "clock_" + "a" * 26 + "_55f2195d06ba"),
        ("_", "clock", "commit_0123456789ab", "clock_commit_0123456789ab_f397dce82e95"),
        ("_", "clock", "uhr\n", "clock_uhr__1e3f7df46bad"),
    ],
    ids=["plain", "two", "dot", "a slash", "too long", "looks hashed", "a line's end"],
)
def test_names_that_clients_know_by_heart(
    separator: str, alias: str, name: str, expected: str
) -> None:
    """Never to be changed by a release: agents' prompts and allowlists hold these."""
    naming = Naming.model_validate({"separator": separator})

    assert join(naming, alias, name) == expected


@given(naming=ALWAYS, alias=ALIASES, name=NAMES)
def test_a_name_is_one_that_every_model_api_takes(naming: Naming, alias: str, name: str) -> None:
    shown = join(naming, alias, name)

    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", shown)
    assert len(shown) <= naming.maxLength


@given(naming=ALWAYS, alias=ALIASES, name=USABLE)
def test_a_name_that_can_be_had_as_it_is_keeps_its_letters(
    naming: Naming, alias: str, name: str
) -> None:
    plain = f"{alias}{naming.separator}{name}"
    assume(len(plain) <= naming.maxLength)
    assume(not re.search(rf"_[0-9a-f]{{{HASH_DIGITS}}}\Z", plain))

    assert join(naming, alias, name) == plain


@given(naming=ALWAYS, one=st.tuples(ALIASES, NAMES), other=st.tuples(ALIASES, NAMES), extra=NAMES)
def test_two_things_never_get_one_name(
    naming: Naming, one: tuple[str, str], other: tuple[str, str], extra: str
) -> None:
    """Obligation 46."""
    pairs = {one, other, (one[0], one[1] + extra), (other[0], extra + one[1])}

    assert len({join(naming, *pair) for pair in pairs}) == len(pairs)


@given(naming=ALWAYS, alias=ALIASES, name=NAMES)
def test_no_tool_is_called_what_a_shortened_one_is(naming: Naming, alias: str, name: str) -> None:
    """Else a member could name a tool after another's hash."""
    shortened = join(naming, alias, name + "?")
    owner, separator, own = shortened.partition(naming.separator)
    assume(separator)

    assert join(naming, owner, own) != shortened


@given(naming=st.one_of(ALWAYS, st.just(NEVER)), listed=LISTED)
def test_what_is_shown_leads_back(naming: Naming, listed: dict[str, list[str]]) -> None:
    directory = Directory(naming, listed.items())

    for alias, names in listed.items():
        for name in names:
            shown = directory.shown(alias, name)
            if name in directory.conflicts.get(alias, ()):
                assert shown is None
            else:
                assert shown is not None
                assert directory.find(shown) == (alias, name)


@given(naming=ALWAYS, listed=LISTED, shown=NAMES)
def test_whatever_is_found_is_called_just_that(
    naming: Naming, listed: dict[str, list[str]], shown: str
) -> None:
    directory = Directory(naming, listed.items())
    tries = [shown, *(f"{alias}{naming.separator}{shown}" for alias in listed)]

    for text in tries:
        found = directory.find(text)
        assert found is None or directory.shown(*found) == text


@given(naming=ALWAYS, listed=LISTED, alias=ALIASES, name=USABLE)
def test_a_tool_in_nobodys_list_is_found_by_its_prefix(
    naming: Naming, listed: dict[str, list[str]], alias: str, name: str
) -> None:
    plain = f"{alias}{naming.separator}{name}"
    assume(join(naming, alias, name) == plain)

    assert Directory(naming, [*listed.items(), (alias, ())]).find(plain) == (alias, name)


@given(naming=ALWAYS, listed=LISTED, alias=ALIASES, names=st.lists(NAMES, max_size=4))
def test_names_stay_when_other_members_come_and_go(
    naming: Naming, listed: dict[str, list[str]], alias: str, names: list[str]
) -> None:
    listed.pop(alias, None)
    alone = Directory(naming, [(alias, names)])
    among = Directory(naming, [*listed.items(), (alias, names)])

    assert [alone.shown(alias, name) for name in names] == [
        among.shown(alias, name) for name in names
    ]


def test_a_name_that_two_members_have_is_neithers() -> None:
    listed = [("a", ["x", "y", "y"]), ("b", ["z", "y", "x", "y"]), ("c", [])]

    directory = Directory(NEVER, listed)

    assert directory.conflicts == {"a": ("x", "y"), "b": ("y", "x")}
    assert directory.find("y") is None
    assert directory.shown("a", "y") is None
    assert directory.shown("b", "y") is None
    assert directory.shown("b", "z") == "z"


@given(listed=LISTED, alias=ALIASES, names=st.lists(NAMES, max_size=4))
def test_who_comes_takes_nobodys_name(
    listed: dict[str, list[str]], alias: str, names: list[str]
) -> None:
    """Without prefixes a name may become nobody's, and never another's."""
    listed = {"own": [], "other": [], **listed}
    listed.pop(alias, None)
    before = Directory(NEVER, listed.items())
    for after in (
        Directory(NEVER, [(alias, names), *listed.items()]),
        Directory(NEVER, [*listed.items(), (alias, names)]),
    ):
        for name in {name for several in listed.values() for name in several}:
            assert after.find(name) in (None, before.find(name)) or before.find(name) is None


def test_an_alias_that_had_to_be_cut_is_not_taken_by_its_namesake() -> None:
    """Of two members, one's alias is what is left of the other's."""
    naming = Naming(maxLength=32)
    shown = join(naming, "a" * 54, "x")
    alias, _, own = shown.partition("_")

    directory = Directory(naming, [(alias, [own]), ("a" * 54, ["x"])])

    assert directory.find(shown) == ("a" * 54, "x")
    assert directory.shown(alias, own) != shown
    assert not directory.conflicts


@pytest.mark.parametrize(
    "shown",
    ["clock", "clock_", "watch_get_time", "Clock_get_time", "_get_time", "", "get_time", "clöck_x"],
)
def test_what_no_member_can_be_called_is_found_nowhere(shown: str) -> None:
    directory = Directory(Naming(separator="__"), [("clock", ["get_time"])])

    assert directory.find(shown) is None


def test_the_first_separator_ends_the_alias() -> None:
    directory = Directory(Naming(separator="__"), [("a", ["_x", "y__z"])])

    assert directory.find("a___x") == ("a", "_x")
    assert directory.find("a__y__z") == ("a", "y__z")
    assert directory.find("a__b__c") == ("a", "b__c")


def test_without_prefixes_only_what_is_listed_is_found() -> None:
    directory = Directory(NEVER, [("a", ["x"]), ("b", [])])

    assert directory.find("x") == ("a", "x")
    assert directory.find("a_x") is None
    assert directory.shown("a", "hidden") is None
    assert directory.shown("stranger", "x") is None


def test_a_single_member_under_its_own_names_is_as_it_is_without_the_group() -> None:
    directory = Directory(NEVER, [("a", ["x"])])

    assert directory.find("hidden") == ("a", "hidden")
    assert directory.shown("a", "hidden") == "hidden"
    assert directory.shown("stranger", "x") is None


def test_a_stranger_to_the_group_has_no_names_there() -> None:
    directory = Directory(Naming(), [("a", [])])

    assert directory.shown("b", "x") is None
    assert directory.find("b_x") is None


@pytest.mark.parametrize("name", ["x" * 10_000, "\ud800", "\0", "_" * 10_000, ""], ids=ascii)
def test_hostile_names_have_a_name_of_their_own(name: str) -> None:
    directory = Directory(Naming(), [("a", [name, "x"])])

    shown = directory.shown("a", name)

    assert shown is not None
    assert len(shown) <= 45
    assert directory.find(shown) == ("a", name)
