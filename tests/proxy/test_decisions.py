"""The words that a decision is made of."""

from ostiary_proxy.decisions import Target


def test_a_targets_arguments_are_no_part_of_what_it_is() -> None:
    assert Target("tool", "get", {"a": 1}) == Target("tool", "get")
    assert hash(Target("tool", "get", {"a": 1})) == hash(Target("tool", "get"))
    assert Target("tool", "get") != Target("prompt", "get")
