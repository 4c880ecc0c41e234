"""The ConfigMap of the proxy."""

from tests.operator.build import ENV, SETTINGS, stdio

from ostiary_operator.render import ServerView, proxy_config
from ostiary_operator.render.config_map import render_config_map
from ostiary_proxy.config import ProxyConfig


def test_the_proxy_reads_back_what_was_rendered() -> None:
    document = proxy_config.render(stdio(), ServerView(generation=7), SETTINGS, ENV)

    config_map = render_config_map(stdio(), document)

    assert config_map["metadata"]["name"] == "time-proxy"
    assert ProxyConfig.model_validate_json(config_map["data"]["config.json"]) == document
