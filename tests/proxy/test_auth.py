"""The Authorization header to a caller: caching, the price of unknown tokens, who it is, and that a
token for one server is none for its sibling (security.md row 2)."""

import time

import pytest
from tests.proxy import signing
from tests.proxy.signing import AUDIENCE, bearer, claims, issuer, key, sign

from ostiary_proxy.auth import MOST_UNKNOWN_KIDS, Refusal, Verifier
from ostiary_proxy.policy import Caller

HERE = frozenset({AUDIENCE})
SIBLING = frozenset({"http://sibling.tools.svc/mcp"})


class Clock:
    """Stands still until told; as a timer it counts the times it was read."""

    def __init__(self, at: float = 0.0, step: float = 0.0) -> None:
        self.at, self.step = at, step

    def __call__(self) -> float:
        self.at += self.step
        return self.at


def test_a_serviceaccount_token_names_its_account() -> None:
    caller = Verifier([issuer()]).verify(bearer(sign()), HERE, False)

    assert isinstance(caller, Caller)
    assert caller.principal == "system:serviceaccount:agents:planner"
    assert (caller.kind, caller.namespace, caller.name) == ("serviceAccount", "agents", "planner")
    assert len(caller.digest) == 16


@pytest.mark.parametrize(
    "header", [b"bearer %b", b"BEARER %b", b"Bearer  %b"], ids=["lower", "upper", "spaces"]
)
def test_the_scheme_is_read_without_case(header: bytes) -> None:
    caller = Verifier([issuer()]).verify(header % sign().encode(), HERE, False)

    assert isinstance(caller, Caller)


@pytest.mark.parametrize(
    "header", [None, b"", b"Bearer", b"Bearer ", b"Basic dXNlcjpwdw==", b"token x", b"\xff\xfe"]
)
def test_without_a_bearer_token_the_challenge_is_bare(header: bytes | None) -> None:
    refusal = Verifier([issuer()]).verify(header, HERE, False)

    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.challenge) == (401, b"Bearer")


def test_a_bad_token_is_told_so_without_a_hint_of_oauth() -> None:
    refusal = Verifier([issuer()]).verify(b"Bearer nonsense", HERE, False)

    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.challenge) == (401, b'Bearer error="invalid_token"')


def test_no_token_is_anonymous_only_where_somebody_asked_for_it() -> None:
    verifier = Verifier([issuer()])

    anonymous = verifier.verify(None, HERE, True)

    assert isinstance(anonymous, Caller)
    assert anonymous.kind == "anonymous"
    assert isinstance(verifier.verify(None, HERE, False), Refusal)


def test_a_bad_token_is_never_taken_for_an_anonymous_caller() -> None:
    assert isinstance(Verifier([issuer()]).verify(b"Bearer nonsense", HERE, True), Refusal)


def test_a_token_for_one_server_is_refused_by_its_sibling_also_when_it_is_known() -> None:
    verifier = Verifier([issuer()])
    token = bearer(sign())

    first = verifier.verify(token, HERE, False)
    second = verifier.verify(token, SIBLING, False)

    assert isinstance(first, Caller)
    assert isinstance(second, Refusal)


def test_a_known_token_is_refused_from_its_last_second_on() -> None:
    clock = Clock(time.time())
    verifier = Verifier([issuer()], clock=clock)
    token = bearer(sign(claims(exp=int(clock.at) + 10)))
    assert isinstance(verifier.verify(token, HERE, False), Caller)

    clock.at += 10

    assert isinstance(verifier.verify(token, HERE, False), Refusal)


@pytest.mark.parametrize(
    "change",
    [
        {"sub": "system:serviceaccount:agents"},
        {"sub": "system:serviceaccount::planner"},
        {"sub": "system:serviceaccount:agents:"},
        {"sub": "system:serviceaccount:agents:planner:x"},
        {"sub": "system:node:n1"},
        {"sub": "anonymous"},
        {"sub": "system:serviceaccount:kube-system:planner"},
        {"sub": "system:serviceaccount:agents:other"},
        {"kubernetes.io": None},
        {"kubernetes.io": "x"},
        {"kubernetes.io": {"namespace": "agents"}},
        {"kubernetes.io": {"namespace": "agents", "serviceaccount": {"name": "other"}}},
        {"kubernetes.io": {"namespace": ["agents"], "serviceaccount": {"name": "planner"}}},
    ],
    ids=str,
)
def test_subject_and_claims_must_name_one_serviceaccount(change: dict[str, object]) -> None:
    token = bearer(sign(claims(**change)))

    assert isinstance(Verifier([issuer()]).verify(token, HERE, False), Refusal)


def test_a_development_token_plays_its_subject_at_every_endpoint() -> None:
    verifier = Verifier([issuer(kind="local")])
    body = claims(iss=signing.LOCAL_ISSUER, aud="ostiary.dev/local", **{"kubernetes.io": None})

    for audiences in (HERE, SIBLING):
        caller = verifier.verify(bearer(sign(body)), audiences, False)
        assert isinstance(caller, Caller)
        assert caller.principal == "system:serviceaccount:agents:planner"


def test_a_reader_may_ask_for_one_kind_of_issuer() -> None:
    verifier = Verifier([issuer(kind="local")])
    body = claims(iss=signing.LOCAL_ISSUER, aud=[AUDIENCE])

    assert isinstance(verifier.verify(bearer(sign(body)), HERE, False), Caller)
    assert isinstance(verifier.verify(bearer(sign(body)), HERE, False, kind="kubernetes"), Refusal)


def test_a_known_token_costs_no_second_check() -> None:
    timer = Clock(step=0.01)
    verifier = Verifier([issuer()], timer=timer)
    token = bearer(sign())
    verifier.verify(token, HERE, False)
    read = timer.at

    for _ in range(100):
        assert isinstance(verifier.verify(token, HERE, False), Caller)

    assert timer.at == read


def test_unknown_tokens_may_cost_a_fifth_of_the_time_and_known_ones_pass_all_the_same() -> None:
    timer = Clock()
    verifier = Verifier([issuer()], timer=timer)
    good = bearer(sign())
    assert isinstance(verifier.verify(good, HERE, False), Caller)
    timer.step = 0.05  # each look at the timer: a check takes that long

    answers = [verifier.verify(b"Bearer a.b.%d" % number, HERE, False) for number in range(100)]

    statuses = [answer.status for answer in answers if isinstance(answer, Refusal)]
    assert len(statuses) == 100
    checked = statuses.count(401)
    assert checked * 0.05 <= 0.5 + timer.at * 0.2 + 0.05
    assert statuses.count(503) > 50
    shed = next(one for one in answers if isinstance(one, Refusal) and one.status == 503)
    assert (shed.retry_after, shed.challenge) == (1, b"")
    assert isinstance(verifier.verify(good, HERE, False), Caller)


def test_shed_tokens_are_checked_again_once_time_has_passed() -> None:
    timer = Clock(step=1.0)
    verifier = Verifier([issuer()], timer=timer)
    verifier.verify(b"Bearer a.b.c", HERE, False)
    shed = verifier.verify(bearer(sign()), HERE, False)
    assert isinstance(shed, Refusal)
    assert shed.status == 503

    timer.step, timer.at = 0.0, timer.at + 10

    assert isinstance(verifier.verify(bearer(sign()), HERE, False), Caller)


def test_a_flood_of_unknown_keys_is_reported_eight_at_most_and_each_once() -> None:
    told: list[int] = []
    verifier = Verifier([issuer()], on_unknown_kid=lambda: told.append(1))

    for number in range(50):
        for _ in range(2):
            verifier.verify(bearer(sign(with_key=key(), kid=f"k-{number}")), HERE, False)

    assert verifier.unknown_kids == tuple(f"k-{number}" for number in range(MOST_UNKNOWN_KIDS))
    assert len(told) == MOST_UNKNOWN_KIDS


@pytest.mark.parametrize("kid", ["x" * 129, "line\nbreak", "\u202egnp"])
def test_an_unknown_key_with_a_name_unfit_to_show_is_not_reported(kid: str) -> None:
    verifier = Verifier([issuer()])

    verifier.verify(bearer(sign(kid=kid)), HERE, False)

    assert verifier.unknown_kids == ()


def test_remembered_tokens_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary_proxy.auth.REMEMBERED_TOKENS", 3)
    verifier = Verifier([issuer()], timer=Clock())

    for number in range(10):
        token = bearer(sign(claims(jti=str(number))))
        assert isinstance(verifier.verify(token, HERE, False), Caller)

    assert len(verifier._known) == 3
