"""Issuers, as the document has them."""

import pytest
from pydantic import ValidationError

from ostiary_proxy.config import Issuer


def test_an_issuer_of_people_is_known_by_sub_unless_told() -> None:
    issuer = Issuer(kind="oidc", issuer="https://id.example", name="team")

    assert (issuer.usernameClaim, issuer.groupsClaim, issuer.primary) == ("sub", "", False)


@pytest.mark.parametrize("wrong", [{"kind": "saml"}, {"kind": "oidc", "secret": "x"}, {}], ids=str)
def test_what_it_is_not_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Issuer.model_validate({"issuer": "https://id.example", **wrong})
