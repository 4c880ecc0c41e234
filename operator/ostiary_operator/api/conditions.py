"""Condition types and reasons of every kind: the stable words that people alert on.

A word here is documented and tested; it changes only with the API version.
"""

from typing import Final


class Type:
    READY: Final = "Ready"
    ACCEPTED: Final = "Accepted"
    RESOLVED_REFS: Final = "ResolvedRefs"
    PROGRAMMED: Final = "Programmed"
    BACKEND_PRIVATE: Final = "BackendPrivate"
    TRANSPORT_ENCRYPTED: Final = "TransportEncrypted"
    TOOLS_PINNED: Final = "ToolsPinned"
    TOOLS_SUSPECT: Final = "ToolsSuspect"
    """A warning on a server whose tools speak as attacks do: present only while true."""
    RECONCILING: Final = "Reconciling"
    """Abnormal-true, as kstatus wants it: present only while true."""
    STALLED: Final = "Stalled"
    """Abnormal-true, as kstatus wants it: present only while true."""
    ANONYMOUS_ACCESS: Final = "AnonymousAccess"
    """A warning on a policy with an anonymous rule: present only while true."""


class Reason:
    READY: Final = "Ready"
    POLICY_MISSING: Final = "PolicyMissing"
    """Works, and answers nobody until a policy says who may call."""
    SCALED_TO_ZERO: Final = "ScaledToZero"
    PROGRESSING: Final = "Progressing"
    INVALID: Final = "Invalid"
    REFS_NOT_RESOLVED: Final = "RefsNotResolved"
    BACKEND_UNAVAILABLE: Final = "BackendUnavailable"
    IMAGE_PULL_FAILED: Final = "ImagePullFailed"
    CRASH_LOOPING: Final = "CrashLooping"
    NAME_TAKEN: Final = "NameTaken"
    NOT_REPORTING: Final = "NotReporting"

    ROLLOUT: Final = "Rollout"
    WAITING_FOR_DEPENDENCY: Final = "WaitingForDependency"
    RETRYING: Final = "Retrying"
    INVALID_SPEC: Final = "InvalidSpec"
    FORBIDDEN: Final = "Forbidden"
    QUOTA_EXCEEDED: Final = "QuotaExceeded"
    CONFIG_TOO_LARGE: Final = "ConfigTooLarge"

    DUPLICATE_TOKEN: Final = "DuplicateToken"
    """An older object has the same hash, and keeps it."""
    PERSONAL_TOKENS_OFF: Final = "PersonalTokensOff"
    """No admission policy vouches that its user created it."""
    EXPIRED: Final = "Expired"

    ACCEPTED: Final = "Accepted"
    TARGET_NOT_FOUND: Final = "TargetNotFound"
    NEEDS_CLUSTER_SCOPE: Final = "NeedsClusterScope"
    """A policy with scope: Cluster outside of the settings' policyNamespace."""
    ISSUER_NOT_CONFIGURED: Final = "IssuerNotConfigured"
    """A policy speaks of an OIDC issuer that the settings do not name."""

    NO_CONSENT: Final = "NoConsent"
    """A server that does not expose itself to the namespace of the group that names it."""
    NAME_CONFLICT: Final = "NameConflict"
    """Of two members with one alias the older has it."""

    URL_TAKEN: Final = "URLTaken"
    """An older object has the same `expose.url`, and keeps it."""

    RESOLVED_REFS: Final = "ResolvedRefs"
    SERVER_NOT_FOUND: Final = "ServerNotFound"
    GATEWAY_API_MISSING: Final = "GatewayAPIMissing"
    """`expose.via.gateway`, and the cluster has no HTTPRoute."""
    ROUTE_REFUSED: Final = "RouteRefused"
    """The Gateway does not take the HTTPRoute, or cannot use it."""
    ISSUER_UNAVAILABLE: Final = "IssuerUnavailable"
    """An OIDC issuer that a policy speaks of gives no keys."""
    SECRET_NOT_FOUND: Final = "SecretNotFound"
    CONFIG_MAP_NOT_FOUND: Final = "ConfigMapNotFound"
    SERVICE_NOT_FOUND: Final = "ServiceNotFound"
    SERVICE_UNUSABLE: Final = "ServiceUnusable"
    """It exists, and tells no pods or no port: no selector, another name for a host, another
    port."""

    PROGRAMMED: Final = "Programmed"
    PARTIALLY_PROGRAMMED: Final = "PartiallyProgrammed"

    NO_LISTENER: Final = "NoListener"
    """A stdio server: there is no port that anybody could reach."""
    POLICY_APPLIED: Final = "PolicyApplied"
    WIDENED_BY: Final = "WidenedBy"
    EXPOSED: Final = "Exposed"
    """A service without `protect`: whoever reaches its pods passes the proxy by."""
    REMOTE: Final = "Remote"
    """A remote: who else may call it is its own operator's word."""

    TLS: Final = "TLS"
    PLAINTEXT: Final = "Plaintext"
    CERTIFICATE_UNUSABLE: Final = "CertificateUnusable"
    """Not a pair of certificate and key, or for none of the Service's names."""
    CERTIFICATE_EXPIRED: Final = "CertificateExpired"

    PINNED: Final = "Pinned"
    DRIFTED: Final = "Drifted"
    """Some tool is not as it was approved, or nothing is approved."""
    NOT_REQUESTED: Final = "NotRequested"
    SUSPECT_TEXT: Final = "SuspectText"

    ANONYMOUS_RULE: Final = "AnonymousRule"
