"""The settings document and the environment: closed, with sentences."""

import pytest

from ostiary_operator.settings import SettingsInvalid, parse_environment, parse_settings

GIVEN = {"OSTIARY_NAMESPACE": "ostiary-system", "OSTIARY_SERVICE_ACCOUNT": "ostiary-operator"}


def test_an_image_is_all_that_must_be_said() -> None:
    settings = parse_settings("proxyImage: proxy:1")

    assert settings.drainSeconds == 30
    assert settings.defaults.egress == "Public"
    assert settings.dns.peers[0]["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}


def test_everything_can_be_said() -> None:
    settings = parse_settings(
        """
        proxyImage: proxy:1
        proxyImagePullPolicy: Never
        dns: {peers: [{ipBlock: {cidr: 169.254.20.10/32}}]}
        clusterCIDRs: [203.0.113.0/24]
        drainSeconds: 5
        monitoring: {namespace: monitoring}
        proxyResources: {requests: {cpu: 1}, limits: {memory: 64Mi}}
        defaults: {egress: None}
        """
    )

    assert settings.proxyResources.requests == {"cpu": "1"}
    assert settings.defaults.egress == "None"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "proxyImage: Field required"),
        ("proxyImage: a\nproxyimage: b", "proxyimage: Extra inputs are not permitted"),
        ("proxyImage: [", "settings.yaml is not YAML"),
        ("- a", "settings.yaml: the document"),
        ("proxyImage: a\ndrainSeconds: 0", "drainSeconds"),
        ("proxyImage: a\nclusterCIDRs: [10.0.0.1/8]", "clusterCIDRs"),
        ("proxyImage: a\nclusterCIDRs: [0.0.0.0/0]", "clusterCIDRs"),
        ("proxyImage: a\ntrustedHops: [edge]", "trustedHops"),
        ("proxyImage: a\ntrustedHops: ['::/0']", "trustedHops"),
        ("proxyImage: a\ndns: {peers: []}", "dns.peers"),
    ],
    ids=repr,
)
def test_a_mistake_is_said_with_its_field(text: str, said: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        parse_settings(text)

    assert said in str(caught.value)


def test_the_environment_of_the_chart_is_read() -> None:
    env = parse_environment(GIVEN | {"OSTIARY_METRICS_PORT": "0", "OSTIARY_LOG_LEVEL": "DEBUG"})

    assert env.subject == "system:serviceaccount:ostiary-system:ostiary-operator"
    assert env.settingsConfigMap == "ostiary-settings"
    assert env.metricsPort == 0


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "OSTIARY_NAMESPACE"),
        (GIVEN | {"OSTIARY_NAMESPACE": ""}, "OSTIARY_NAMESPACE"),
        (GIVEN | {"OSTIARY_METRICS_PORT": "x"}, "OSTIARY_METRICS_PORT"),
        (GIVEN | {"OSTIARY_LOG_LEVEL": "LOUD"}, "OSTIARY_LOG_LEVEL"),
    ],
    ids=str,
)
def test_a_mistake_names_the_variable(environment: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        parse_environment(environment)

    assert said in str(caught.value)


def test_of_settings_that_are_no_yaml_the_place_is_said_and_not_the_text() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        parse_settings("proxyImage: a\nhidden: s3cr3t: x\n")

    assert str(caught.value).startswith("settings.yaml is not YAML: line 2, column 15: ")
    assert "s3cr3t" not in str(caught.value)
