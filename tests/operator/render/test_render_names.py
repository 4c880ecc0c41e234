"""Names of children."""

from ostiary_operator.render import names


def test_the_service_bears_the_servers_name_so_that_its_url_can_be_guessed() -> None:
    assert names.service("time") == "time"


def test_children_of_one_kind_have_names_of_their_own() -> None:
    services = {names.service("time"), names.pods_service("time")}
    config_maps = {names.config("time"), *(names.key("time", it) for it in names.KEY_NUMBERS)}

    assert len(services) == 2
    assert len(config_maps) == 5
