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

    ACCEPTED: Final = "Accepted"
    TARGET_NOT_FOUND: Final = "TargetNotFound"

    RESOLVED_REFS: Final = "ResolvedRefs"
    SECRET_NOT_FOUND: Final = "SecretNotFound"
    CONFIG_MAP_NOT_FOUND: Final = "ConfigMapNotFound"

    PROGRAMMED: Final = "Programmed"
    PARTIALLY_PROGRAMMED: Final = "PartiallyProgrammed"

    NO_LISTENER: Final = "NoListener"
    """A stdio server: there is no port that anybody could reach."""
    POLICY_APPLIED: Final = "PolicyApplied"
    WIDENED_BY: Final = "WidenedBy"

    ANONYMOUS_RULE: Final = "AnonymousRule"
