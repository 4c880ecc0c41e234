import asyncio
import json
from collections.abc import Callable

from tests.operator.build import ENV, policy_manifest, rule, server_manifest
from tests.operator.fake_api import FakeApi, serving
from tests.proxy.conditions import until

from ostiary_operator.assemble import Operator
from ostiary_operator.cluster import Cluster
from ostiary_operator.controller import Key
from ostiary_operator.metrics import Metrics
from ostiary_operator.render import names
from ostiary_operator.resources import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, POLICIES, SERVERS
from ostiary_operator.settings import SETTINGS_KEY
from ostiary_operator.trust import CONFIG_MAP

TIME = Key(SERVERS, "tools", "time")


def furnished() -> FakeApi:
    api = FakeApi()
    api.documents["/.well-known/openid-configuration"] = {"issuer": "https://cluster.example"}
    api.documents["/openid/v1/jwks"] = {"keys": [{"kid": "k-1", "kty": "RSA"}]}
    place = {"name": ENV.settingsConfigMap, "namespace": ENV.namespace}
    settings = {SETTINGS_KEY: "proxyImage: registry.example/proxy:1"}
    api.put(CONFIG_MAPS, {"metadata": place, "data": settings})
    api.put(NAMESPACES, {"metadata": {"name": "tools"}})
    api.put(SERVERS, server_manifest())
    api.put(POLICIES, policy_manifest(rule()))
    return api


async def filled(cluster: Cluster) -> Operator:
    """As `__main__` fills it."""
    operator = Operator(cluster=cluster, env=ENV, metrics=Metrics())
    await operator.settings.load(cluster)
    await operator.trust.start()
    await operator.controller.fill()
    return operator


async def work_until(operator: Operator, condition: Callable[[], object]) -> None:
    async with operator.reports, asyncio.TaskGroup() as tasks:
        tasks.create_task(operator.controller.work())
        await until(condition)
        operator.queue.close()


def condition_of(api: FakeApi, path: str, kind: str) -> str:
    conditions = api.objects[path].get("status", {}).get("conditions", ())
    return next((str(it["status"]) for it in conditions if it["type"] == kind), "")


async def test_what_users_wrote_becomes_children_and_status() -> None:
    api = furnished()
    server, policy = SERVERS.path("tools", "time"), POLICIES.path("tools", "callers")
    async with serving(api) as cluster:
        operator = await filled(cluster)

        await work_until(
            operator,
            lambda: (
                condition_of(api, server, "Accepted") == "True"
                and condition_of(api, policy, "Accepted") == "True"
            ),
        )

    config = api.find(CONFIG_MAPS, "tools", names.config("time"))
    assert api.find(DEPLOYMENTS, "tools", names.deployment("time")) is not None
    assert config is not None
    document = json.loads(config["data"]["config.json"])
    assert document["servers"][0]["policies"][0]["name"] == "callers"


async def test_a_restarted_operator_knows_the_keys_that_proxies_were_told() -> None:
    api = furnished()
    async with serving(api) as cluster:
        first = await filled(cluster)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(first.trust.run())
            await until(lambda: api.find(CONFIG_MAPS, ENV.namespace, CONFIG_MAP))
            task.cancel()
        api.documents["/openid/v1/jwks"] = {"keys": [{"kid": "k-2", "kty": "RSA"}]}

        second = await filled(cluster)

    assert [key["kid"] for key in second.trust.issuers[0].keys] == ["k-1", "k-2"]


async def test_new_token_keys_concern_every_server() -> None:
    api = furnished()
    async with serving(api) as cluster:
        operator = await filled(cluster)
        while operator.queue.depth:
            operator.queue.done(await operator.queue.get() or TIME)
        api.documents["/openid/v1/jwks"] = {"keys": [{"kid": "k-2", "kty": "RSA"}]}

        await operator.trust.start()

        assert await operator.queue.get() == TIME
