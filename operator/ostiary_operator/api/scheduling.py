"""Where the pod may run: the fields of `spec.scheduling`, shaped as in a pod.

Ostiary passes them on and decides nothing by them.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .fields import (
    DnsLabel,
    LabelKey,
    LabelMap,
    LabelSelector,
    LabelValue,
    SubdomainOrNone,
    label_keys,
)
from .schema import ATOMIC, Part, Rule

Weight = Annotated[int, Field(ge=1, le=100)]


class NodeSelectorRequirement(Part):
    laws: ClassVar = (
        Rule(
            cel="(self.operator in ['Exists', 'DoesNotExist']) "
            "!= (has(self.values) && size(self.values) > 0)",
            message="In, NotIn, Gt and Lt need values; Exists and DoesNotExist take none",
            holds=lambda it: (it.operator in ("Exists", "DoesNotExist")) != bool(it.values),
            field="values",
        ),
    )

    key: LabelKey
    """Label key of the node, or metadata.name in matchFields. Required."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """How the label is compared with the values. Required."""
    values: Annotated[
        tuple[LabelValue, ...] | None, Field(max_length=64, json_schema_extra=ATOMIC)
    ] = None
    """Values to compare with; one whole number for Gt and Lt. Default: none."""


Requirements = Annotated[
    tuple[NodeSelectorRequirement, ...] | None, Field(max_length=32, json_schema_extra=ATOMIC)
]


class NodeSelectorTerm(Part):
    matchExpressions: Requirements = None
    """Requirements on the node's labels, all of which must hold. Default: none."""
    matchFields: Requirements = None
    """Requirements on the node's fields, all of which must hold. Default: none."""


class NodeSelector(Part):
    nodeSelectorTerms: Annotated[
        tuple[NodeSelectorTerm, ...], Field(min_length=1, max_length=32, json_schema_extra=ATOMIC)
    ]
    """Terms of which one must match the node. Required."""


class PreferredNode(Part):
    weight: Weight
    """How much a matching node is preferred, 1 to 100. Required."""
    preference: NodeSelectorTerm
    """The nodes that are preferred. Required."""


class NodeAffinity(Part):
    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector | None = None
    """Nodes without which the pod is not scheduled. Default: every node."""
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        tuple[PreferredNode, ...] | None, Field(max_length=16, json_schema_extra=ATOMIC)
    ] = None
    """Nodes that the scheduler prefers. Default: none."""


class PodAffinityTerm(Part):
    topologyKey: LabelKey
    """Node label that says what 'the same place' is. Required."""
    labelSelector: LabelSelector | None = None
    """Pods to be near to or far from. Default: none."""
    namespaces: Annotated[
        tuple[DnsLabel, ...] | None, Field(max_length=32, json_schema_extra=ATOMIC)
    ] = None
    """Namespaces of these pods, by name. Default: the namespace of this object."""
    namespaceSelector: LabelSelector | None = None
    """Namespaces of these pods, by label; empty means all. Default: none."""
    matchLabelKeys: Annotated[
        tuple[LabelKey, ...] | None, Field(max_length=16, json_schema_extra=ATOMIC)
    ] = None
    """Label keys whose values on this pod are added to the selector. Default: none."""
    mismatchLabelKeys: Annotated[
        tuple[LabelKey, ...] | None, Field(max_length=16, json_schema_extra=ATOMIC)
    ] = None
    """Label keys whose values on this pod are excluded by the selector. Default: none."""


class PreferredPod(Part):
    weight: Weight
    """How much a node that satisfies the term is preferred, 1 to 100. Required."""
    podAffinityTerm: PodAffinityTerm
    """The pods to be near to or far from. Required."""


class PodAffinity(Part):
    requiredDuringSchedulingIgnoredDuringExecution: Annotated[
        tuple[PodAffinityTerm, ...] | None, Field(max_length=16, json_schema_extra=ATOMIC)
    ] = None
    """Terms without which the pod is not scheduled. Default: none."""
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        tuple[PreferredPod, ...] | None, Field(max_length=16, json_schema_extra=ATOMIC)
    ] = None
    """Terms that the scheduler prefers. Default: none."""


class Affinity(Part):
    nodeAffinity: NodeAffinity | None = None
    """Which nodes. Default: any."""
    podAffinity: PodAffinity | None = None
    """Which pods to be near to. Default: none."""
    podAntiAffinity: PodAffinity | None = None
    """Which pods to be far from. Default: none."""


class Toleration(Part):
    key: LabelKey | None = None
    """Taint key that is tolerated. Default: every key, with operator Exists."""
    operator: Literal["Exists", "Equal"] | None = None
    """How the taint is compared. Default: Equal."""
    value: LabelValue | None = None
    """Taint value that is tolerated, with Equal. Default: empty."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Taint effect that is tolerated. Default: every effect."""
    tolerationSeconds: Annotated[int, Field(ge=0)] | None = None
    """Seconds that a NoExecute taint is tolerated. Default: for ever."""


class Scheduling(Part):
    laws: ClassVar = (label_keys("nodeSelector"),)

    nodeSelector: LabelMap = None
    """Labels that the node must have. Default: none."""
    tolerations: Annotated[
        tuple[Toleration, ...] | None, Field(max_length=32, json_schema_extra=ATOMIC)
    ] = None
    """Taints that the pod tolerates. Default: none."""
    affinity: Affinity | None = None
    """Rules of attraction to nodes and pods. Default: replicas are spread over nodes."""
    priorityClassName: SubdomainOrNone | None = None
    """PriorityClass of the pod. Default: the cluster's."""
