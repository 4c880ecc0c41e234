"""The words that other programs see do not change by accident."""

from ostiary_operator.api import names


def test_the_contract_with_other_programs_stands() -> None:
    words = {key: value for key, value in vars(names).items() if key.isupper()}

    assert words == {
        "GROUP": "ostiary.dev",
        "VERSION": "v1alpha1",
        "API_VERSION": "ostiary.dev/v1alpha1",
        "CATEGORY": "ostiary",
        "SERVER_KIND": "MCPServer",
        "SERVER_PLURAL": "mcpservers",
        "GROUP_KIND": "MCPGroup",
        "GROUP_PLURAL": "mcpgroups",
        "POLICY_KIND": "MCPAccessPolicy",
        "POLICY_PLURAL": "mcpaccesspolicies",
        "TOKEN_KIND": "MCPAccessToken",
        "TOKEN_PLURAL": "mcpaccesstokens",
        "PRODUCT": "ostiary",
        "LABEL_NAME": "app.kubernetes.io/name",
        "LABEL_MANAGED_BY": "app.kubernetes.io/managed-by",
        "LABEL_COMPONENT": "app.kubernetes.io/component",
        "LABEL_SERVER": "ostiary.dev/server",
        "LABEL_GROUP": "ostiary.dev/group",
        "LABEL_NAMESPACE_NAME": "kubernetes.io/metadata.name",
        "COMPONENT_SERVER": "server",
        "COMPONENT_GATEWAY": "gateway",
        "CONFIG_ANNOTATION": "ostiary.dev/config-generation",
        "FIELD_MANAGER": "ostiary",
        "STATUS_MANAGER": "ostiary-status",
        "REPLICAS_MANAGER": "ostiary-replicas",
    }
