"""The operator's trust, over the small API server."""

from collections.abc import Callable

from tests.operator.build import ENV

from ostiary_operator.cluster import Cluster
from ostiary_operator.issuers import ClusterIssuer
from ostiary_operator.live_settings import LiveSettings
from ostiary_operator.metrics import Metrics
from ostiary_operator.trust import Place, Trust


def trusting(cluster: Cluster, settings: LiveSettings, clock: Callable[[], float]) -> Trust:
    return Trust(
        cluster_issuer=ClusterIssuer(cluster=cluster, clock=clock, changed=lambda: None),
        settings=lambda: settings.current,
        place=Place(cluster, ENV.namespace),
        clock=clock,
        metrics=Metrics(),
        changed=lambda: None,
    )
