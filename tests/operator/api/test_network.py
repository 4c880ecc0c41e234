"""Egress fields: networks as the API server's CEL reads them."""

import pytest
from pydantic import ValidationError

from ostiary_operator.api.network import IpBlock


@pytest.mark.parametrize("cidr", ["10.0.0.0/8", "192.0.2.1/32", "::/0", "2001:db8::/32"])
def test_a_network_is_taken(cidr: str) -> None:
    assert IpBlock(cidr=cidr).cidr == cidr


@pytest.mark.parametrize("cidr", ["10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "x/8", "", "fe80::1/64"])
def test_what_is_no_network_is_refused(cidr: str) -> None:
    with pytest.raises(ValidationError):
        IpBlock(cidr=cidr)


@pytest.mark.parametrize(
    "cidr", ["169.254.169.254/32", "169.254.0.0/16", "fd00:ec2::254/128", "169.254.128.0/17"]
)
def test_cloud_metadata_is_not_opened_by_an_address(cidr: str) -> None:
    with pytest.raises(ValidationError, match="rules violated"):
        IpBlock(cidr=cidr)
