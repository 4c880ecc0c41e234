"""Whoever stands for somebody is found as if everybody were looked at."""

from hypothesis import given
from hypothesis import strategies as st

from ostiary_cli.access.neighbours import Neighbours
from ostiary_cli.access.witnesses import covers
from ostiary_proxy.callers import Caller

LABELS = {"a": {"t": "x"}, "b": {}, "{t=x}": {"t": "x"}, "{}": {}}
names = st.sampled_from(["*", "a*", "ab", "b"])
places = st.sampled_from(["a", "b", "*", "{t=x}", "{}"])
callers = st.one_of(
    st.builds(Caller.service_account, places, names),
    st.builds(Caller.token, places, names),
    st.builds(Caller.user, names),
    st.just(Caller.anonymous()),
)


@given(st.lists(callers), callers)
def test_nobody_is_missed(everybody: list[Caller], caller: Caller) -> None:
    found = Neighbours(everybody, lambda it: it, LABELS)

    wider = sorted(it.principal for it in found.wider(caller))
    narrower = sorted(it.principal for it in found.narrower(caller))

    assert wider == sorted(it.principal for it in everybody if covers(it, caller, LABELS))
    assert narrower == sorted(it.principal for it in everybody if covers(caller, it, LABELS))
