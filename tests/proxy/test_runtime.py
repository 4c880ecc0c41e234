"""The shared state: one swap, everybody told."""

from pathlib import Path

from tests.proxy.documents import document

from ostiary_proxy.assemble import Assembler
from ostiary_proxy.audit import Audit
from ostiary_proxy.metrics import Metrics
from ostiary_proxy.runtime import Runtime


def test_a_swap_clears_the_error_and_tells_each_subscriber_once(tmp_path: Path) -> None:
    with (tmp_path / "audit").open("wb") as stream:
        audit = Audit(stream)
        runtime = Runtime(audit=audit, metrics=Metrics(), role="sidecar")
        build = Assembler(keys_dir=None, now=lambda: 0.0, on_unknown_kid=runtime.changed).build
        runtime.config_error, runtime.deny_all = "broken", True
        told: list[str] = []
        stop = runtime.subscribe(lambda: told.append("one"))
        runtime.subscribe(lambda: told.append("two"))

        runtime.swap(build(document(), ""))
        assert told == ["one", "two"]
        assert (runtime.config_error, runtime.deny_all) == ("", False)
        stop()
        runtime.changed()
        audit.close()

    assert told == ["one", "two", "two"]


def test_a_subscriber_may_leave_while_it_is_told(tmp_path: Path) -> None:
    with (tmp_path / "audit").open("wb") as stream:
        audit = Audit(stream)
        runtime = Runtime(audit=audit, metrics=Metrics(), role="sidecar")
        told: list[str] = []

        def once() -> None:
            told.append("once")
            stop()

        stop = runtime.subscribe(once)
        runtime.subscribe(lambda: told.append("always"))
        runtime.changed()
        runtime.changed()
        audit.close()

    assert told == ["once", "always", "always"]
