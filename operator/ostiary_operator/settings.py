"""What the cluster admin and the chart say: the settings document, and the operator's environment.

Two closed models.  Reading a file or the environment is the caller's: `parse_settings` takes text,
`parse_environment` a mapping.
"""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .trusted_issuers import IssuerList

SETTINGS_KEY: Final = "settings.yaml"
"""Key of the document in the settings ConfigMap."""


class SettingsInvalid(ValueError):
    """The document is refused; the message names the field and what is wrong."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


EgressMode = Literal["None", "Public", "Custom", "Unrestricted"]


def _cluster_dns() -> tuple[dict[str, Any], ...]:
    return (
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        },
    )


class Dns(_Closed):
    peers: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=16)] = Field(
        default_factory=_cluster_dns
    )
    """NetworkPolicy peers that every pod of ours may ask on port 53 and 5353."""


class Monitoring(_Closed):
    namespace: Annotated[str, Field(max_length=63)] = ""
    """Admitted to the admin port of every pod of ours; empty: nobody but the operator."""


class Defaults(_Closed):
    egress: Literal["None", "Public", "Unrestricted"] = "Public"
    """Of servers that say nothing about `network.egress`."""


class Resources(_Closed):
    requests: dict[str, str] = {"cpu": "50m", "memory": "96Mi"}
    limits: dict[str, str] = {"cpu": "1", "memory": "256Mi"}

    @field_validator("requests", "limits", mode="before")
    @classmethod
    def _numbers_are_quantities(cls, value: object) -> object:
        """YAML reads `cpu: 1` as a number; a quantity it is all the same."""
        if isinstance(value, Mapping):
            return {key: str(item) for key, item in value.items()}
        return value


class AuditTrail(_Closed):
    onFull: Literal["Drop", "Refuse"] = "Drop"
    """While nothing reads a proxy's output: lose audit lines and count them, or answer calls with
    503 instead."""
    arguments: Literal["Digest", "Text"] = "Digest"
    """What a line says of a tool call's arguments: their SHA-256, or beside it their first 4,096
    characters, which may hold what people would rather not see in a log."""


class ClusterSettings(_Closed, IssuerList):
    """The document `settings.yaml` of the settings ConfigMap."""

    proxyImage: Annotated[str, Field(min_length=1, max_length=512)]
    """Image of the proxy and the shim."""
    proxyImagePullPolicy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    dns: Dns = Dns()
    clusterCIDRs: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """Addresses of pods, Services and nodes that lie outside the private ranges: Public egress
    leaves them out as well."""
    trustedHops: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """Addresses of the Gateways, ingress controllers and load balancers whose X-Forwarded-For,
    -Proto and -Host the proxies believe; whoever can connect from there can claim any client's
    address.  Empty: nobody's."""
    drainSeconds: Annotated[int, Field(ge=1, le=3600)] = 30
    """How long a stopping proxy waits for the calls in flight."""
    monitoring: Monitoring = Monitoring()
    proxyResources: Resources = Resources()
    """Of the proxy container and of the init container that installs the shim."""
    audit: AuditTrail = AuditTrail()
    defaults: Defaults = Defaults()
    proxyRollout: Literal["Batched", "OnNextChange"] = "Batched"
    """How a new proxy image, or another change that no owner made, reaches running servers: a few
    at a time, or each at its owner's next edit."""
    policyNamespace: Annotated[str, Field(max_length=63)] = ""
    """Whose MCPAccessPolicies of scope Cluster are ceilings; empty: nobody's are."""

    @property
    def issuer_urls(self) -> frozenset[str]:
        """OIDC issuers that policies may name."""
        return frozenset(it.url for it in self.issuers)

    @field_validator("clusterCIDRs", "trustedHops")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        networks = [ip_network(item) for item in value]
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("a network of length 0 is every address: name those that are meant")
        return tuple(map(str, networks))


class OperatorEnv(_Closed):
    """The operator's environment, as the chart sets it."""

    namespace: Annotated[str, Field(min_length=1)]
    serviceAccount: Annotated[str, Field(min_length=1)]
    settingsConfigMap: str = "ostiary-settings"
    leaseName: str = "ostiary-operator"
    leaseSeconds: Annotated[int, Field(ge=3, le=600)] = 15
    """After how long without a renewal another replica takes over."""
    resyncSeconds: Annotated[float, Field(ge=1, le=86_400)] = 600
    """How often everything is listed and compared, whatever the watches told."""
    podName: str = ""
    statusTokenFile: str = ""
    metricsPort: Annotated[int, Field(ge=0, le=65535)] = 9464
    logLevel: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def subject(self) -> str:
        """`sub` of the operator's own tokens."""
        return f"system:serviceaccount:{self.namespace}:{self.serviceAccount}"


VARIABLES: Final = {
    "OSTIARY_NAMESPACE": "namespace",
    "OSTIARY_SERVICE_ACCOUNT": "serviceAccount",
    "OSTIARY_SETTINGS_CONFIGMAP": "settingsConfigMap",
    "OSTIARY_LEASE_NAME": "leaseName",
    "OSTIARY_LEASE_SECONDS": "leaseSeconds",
    "OSTIARY_RESYNC_SECONDS": "resyncSeconds",
    "OSTIARY_POD_NAME": "podName",
    "OSTIARY_STATUS_TOKEN_FILE": "statusTokenFile",
    "OSTIARY_METRICS_PORT": "metricsPort",
    "OSTIARY_LOG_LEVEL": "logLevel",
}


def parse_settings(text: str) -> ClusterSettings:
    try:
        document = yaml.safe_load(text)
        return ClusterSettings.model_validate(document if document is not None else {})
    except yaml.YAMLError as err:
        raise SettingsInvalid(f"{SETTINGS_KEY} is not YAML: {_without_text(err)}") from err
    except ValidationError as err:
        raise SettingsInvalid(_sentence(SETTINGS_KEY, err)) from err


def _without_text(err: yaml.YAMLError) -> str:
    """Where and what, and not the line itself: a log must not repeat what somebody wrote there."""
    mark = getattr(err, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}{getattr(err, 'problem', None) or 'it cannot be read'}"


def parse_environment(environment: Mapping[str, str]) -> OperatorEnv:
    given = {
        field: environment[variable]
        for variable, field in VARIABLES.items()
        if environment.get(variable)
    }
    try:
        return OperatorEnv.model_validate(given)
    except ValidationError as err:
        fields = {field: variable for variable, field in VARIABLES.items()}
        raise SettingsInvalid(
            "; ".join(
                f"{fields.get(str(item['loc'][0]), item['loc'])}: {item['msg']}"
                for item in err.errors(include_url=False)
            )
        ) from err


def _sentence(subject: str, err: ValidationError) -> str:
    problems = "; ".join(
        f"{'.'.join(str(step) for step in item['loc']) or 'the document'}: {item['msg']}"
        for item in err.errors(include_url=False)
    )
    return f"{subject}: {problems}"
