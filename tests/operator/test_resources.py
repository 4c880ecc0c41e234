from ostiary_operator.resources import (
    CHILDREN,
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    ROOTS,
    SERVERS,
    WATCHED,
    resource_of,
)


def test_a_kind_of_the_core_group_lives_under_api() -> None:
    assert PODS.path("tools", "time-1", "status") == "/api/v1/namespaces/tools/pods/time-1/status"
    assert PODS.api_version == "v1"
    assert PODS.title == "pods"


def test_a_kind_of_a_group_lives_under_apis() -> None:
    assert SERVERS.path("tools", "time") == (
        "/apis/ostiary.dev/v1alpha1/namespaces/tools/mcpservers/time"
    )
    assert SERVERS.api_version == "ostiary.dev/v1alpha1"
    assert SERVERS.title == "mcpservers.ostiary.dev"


def test_without_a_namespace_a_path_means_all_of_them() -> None:
    assert DEPLOYMENTS.path(None) == "/apis/apps/v1/deployments"


def test_a_cluster_scoped_kind_has_no_namespace_in_its_path() -> None:
    assert NAMESPACES.path("tools", "tools") == "/api/v1/namespaces/tools"


def test_a_manifest_finds_the_row_of_its_kind() -> None:
    assert resource_of({"kind": "Deployment"}) is DEPLOYMENTS


def test_of_everybodys_pods_and_config_maps_only_ours_are_watched() -> None:
    assert PODS.selector == "app.kubernetes.io/managed-by=ostiary"
    assert CONFIG_MAPS.selector == "app.kubernetes.io/name=ostiary"


def test_what_users_write_is_watched_whole_and_every_child_is_watched() -> None:
    assert all(resource.selector == "" for resource in ROOTS)
    assert set(CHILDREN) <= set(WATCHED)
    assert "secrets" not in {resource.plural for resource in WATCHED}
