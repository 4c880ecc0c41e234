"""Both applications of a proxy have the shapes that are named there."""

import inspect

import pytest

from ostiary_proxy.admin import Admin
from ostiary_proxy.app import App
from ostiary_proxy.asgi import Receive, Scope, Send


@pytest.mark.parametrize("application", [Admin, App])
def test_an_application_takes_scope_receive_and_send(application: type) -> None:
    call = application.__call__

    shapes = [parameter.annotation for parameter in inspect.signature(call).parameters.values()]

    assert inspect.iscoroutinefunction(call)
    assert shapes[1:] == [Scope, Receive, Send]
