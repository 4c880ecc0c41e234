"""One issuer's keys: followed, and kept whatever becomes of the issuer."""

from tests.operator.hand_clock import HandClock
from tests.operator.identity_provider import Provider, provider
from tests.operator.identity_provider import patient as patient

from ostiary_operator.fetch import Fetcher
from ostiary_operator.metrics import Metrics
from ostiary_operator.oidc import FETCH_SECONDS, SOONEST_SECONDS, OidcIssuer
from ostiary_operator.token_keys import DROP_AFTER_SECONDS


def followed(
    found: Provider, clock: HandClock | None = None, metrics: Metrics | None = None
) -> OidcIssuer:
    settings = found.settings(audiences=("app",), primary=True, usernameClaim="email")
    return OidcIssuer(
        settings,
        fetcher=Fetcher(loopback=True, ca=found.ca),
        clock=clock or HandClock(),
        on_result=metrics.issuer_fetched if metrics else lambda *_: None,
    )


def kids(issuer: OidcIssuer) -> list[object]:
    return [key["kid"] for key in issuer.issuer.keys]


async def test_what_the_settings_say_is_shipped_with_the_keys() -> None:
    async with provider() as found:
        issuer = followed(found)
        await issuer.fetch()

        shipped = issuer.issuer

    assert (shipped.kind, shipped.issuer, shipped.name) == ("oidc", found.url, "team")
    assert (shipped.audiences, shipped.primary) == (("app",), True)
    assert (shipped.usernameClaim, shipped.groupsClaim) == ("email", "groups")
    assert kids(issuer) == ["a"]


async def test_a_rotation_is_followed_and_the_old_key_stays_for_ten_minutes() -> None:
    clock = HandClock()
    async with provider() as found:
        issuer = followed(found, clock)
        await issuer.fetch()
        found.publish("b")

        await issuer.fetch()
        assert kids(issuer) == ["a", "b"]
        clock.pass_by(DROP_AFTER_SECONDS)
        await issuer.fetch()

    assert kids(issuer) == ["b"]


async def test_a_failing_issuer_loses_nothing_and_is_counted() -> None:
    clock, metrics = HandClock(), Metrics()
    async with provider() as found:
        issuer = followed(found, clock, metrics)
        await issuer.fetch()
        found.publish("b", issuer="https://evil.example")
        for _ in range(3):
            clock.pass_by(DROP_AFTER_SECONDS)
            await issuer.fetch()

    assert kids(issuer) == ["a"]
    assert "another issuer" in issuer.trouble
    value = metrics.registry.get_sample_value
    labels = {"issuer": "team", "result": "failed"}
    assert value("ostiary_issuer_fetches_total", labels) == 3
    assert value("ostiary_issuer_keys", {"issuer": "team"}) == 1


async def test_trouble_ends_with_the_next_good_fetch() -> None:
    async with provider() as found:
        issuer = followed(found)
        documents, found.documents = found.documents, {}
        await issuer.fetch()
        assert issuer.trouble
        found.documents = documents

        await issuer.fetch()

    assert issuer.trouble == ""
    assert kids(issuer) == ["a"]


async def test_an_unknown_key_brings_the_next_look_forward_once_and_to_half_a_minute() -> None:
    clock = HandClock()
    async with provider() as found:
        issuer = followed(found, clock)
        await issuer.fetch()
        assert issuer.due == clock() + FETCH_SECONDS

        assert not issuer.look_again(["a"])
        assert issuer.look_again(["made-up"])
        assert not issuer.look_again(["made-up-too"])

        assert issuer.due == clock() + SOONEST_SECONDS
        await issuer.fetch()
        assert issuer.due == clock() + FETCH_SECONDS


async def test_an_issuer_is_due_at_once_when_it_is_new() -> None:
    async with provider() as found:
        assert followed(found).due < 0
