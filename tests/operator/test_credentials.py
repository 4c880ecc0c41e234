"""Where the API server is, and who we are to it."""

import base64
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary_operator.credentials import Credentials, NoCredentials, find_credentials, read_token

IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture(scope="module")
def pair() -> tuple[bytes, bytes]:
    """A certificate that signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cluster")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def account(folder: Path, certificate: bytes, token: str = "first\n") -> Path:
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_bytes(certificate)
    return folder


def kubeconfig(folder: Path, *, cluster: dict[str, Any], user: dict[str, Any]) -> dict[str, str]:
    document = {
        "current-context": "here",
        "contexts": [
            {"name": "there", "context": {"cluster": "other", "user": "other"}},
            {"name": "here", "context": {"cluster": "mine", "user": "me"}},
        ],
        "clusters": [{"name": "mine", "cluster": cluster}],
        "users": [{"name": "me", "user": user}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(document))
    return {"KUBECONFIG": str(path)}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def trusted(credentials: Credentials) -> int:
    assert credentials.tls is not None
    return len(credentials.tls.get_ca_certs())


async def test_a_pod_speaks_with_its_own_account(tmp_path: Path, pair: tuple[bytes, bytes]) -> None:
    found = find_credentials(IN_A_POD, account(tmp_path, pair[0]))

    assert found.server == "https://10.0.0.1:443"
    assert await found.headers() == {"Authorization": "Bearer first"}
    assert trusted(found) == 1


async def test_a_token_that_the_kubelet_replaced_is_used_at_once(
    tmp_path: Path, pair: tuple[bytes, bytes]
) -> None:
    found = find_credentials(IN_A_POD, account(tmp_path, pair[0]))

    (tmp_path / "token").write_text("second\n")

    assert await found.headers() == {"Authorization": "Bearer second"}
    assert await read_token(tmp_path / "token") == "second"


def test_an_address_of_ipv6_is_put_in_brackets(tmp_path: Path, pair: tuple[bytes, bytes]) -> None:
    environ = IN_A_POD | {"KUBERNETES_SERVICE_HOST": "fd00::1"}

    assert find_credentials(environ, account(tmp_path, pair[0])).server == "https://[fd00::1]:443"


@pytest.mark.parametrize("environ", [{}, IN_A_POD], ids=["no pod", "no token"])
def test_without_an_account_and_a_kubeconfig_it_says_what_to_do(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    with pytest.raises(NoCredentials, match="set KUBECONFIG"):
        find_credentials(environ, tmp_path)


async def test_a_kubeconfig_goes_before_the_account(
    tmp_path: Path, pair: tuple[bytes, bytes]
) -> None:
    environ = kubeconfig(
        tmp_path,
        cluster={"server": "https://api.example:6443/", "certificate-authority": "ca.crt"},
        user={"token": "mine"},
    )

    found = find_credentials(IN_A_POD | environ, account(tmp_path, pair[0]))

    assert found.server == "https://api.example:6443"
    assert await found.headers() == {"Authorization": "Bearer mine"}
    assert trusted(found) == 1


async def test_a_token_file_lies_beside_the_kubeconfig(tmp_path: Path) -> None:
    environ = kubeconfig(
        tmp_path, cluster={"server": "http://127.0.0.1:8001"}, user={"tokenFile": "token"}
    )
    (tmp_path / "token").write_text("from a file\n")

    found = find_credentials(environ)

    assert found.tls is None
    assert await found.headers() == {"Authorization": "Bearer from a file"}


async def test_a_client_certificate_speaks_without_a_token(
    tmp_path: Path, pair: tuple[bytes, bytes]
) -> None:
    certificate, key = pair
    environ = kubeconfig(
        tmp_path,
        cluster={
            "server": "https://api.example",
            "certificate-authority-data": encoded(certificate),
        },
        user={
            "client-certificate-data": encoded(certificate),
            "client-key-data": encoded(key),
        },
    )

    found = find_credentials(environ)

    assert await found.headers() == {}
    assert trusted(found) == 1


def test_a_client_certificate_may_lie_in_files(tmp_path: Path, pair: tuple[bytes, bytes]) -> None:
    (tmp_path / "me.crt").write_bytes(pair[0])
    (tmp_path / "me.key").write_bytes(pair[1])
    environ = kubeconfig(
        tmp_path,
        cluster={"server": "https://api.example", "insecure-skip-tls-verify": True},
        user={"client-certificate": "me.crt", "client-key": "me.key"},
    )

    found = find_credentials(environ)

    assert found.tls is not None
    assert found.tls.verify_mode is ssl.CERT_NONE


def test_a_certificate_is_checked_unless_it_was_said_otherwise(tmp_path: Path) -> None:
    environ = kubeconfig(
        tmp_path, cluster={"server": "https://api.example"}, user={"token": "mine"}
    )

    found = find_credentials(environ)

    assert found.tls is not None
    assert found.tls.verify_mode is ssl.CERT_REQUIRED
    assert found.tls.check_hostname


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        ({"server": "https://x"}, {"exec": {"command": "login"}}),
        ({"server": "https://x"}, {"auth-provider": {"name": "oidc"}}),
        ({}, {"token": "mine"}),
        ({"server": "https://x", "certificate-authority-data": "bm9uZQ=="}, {"token": "mine"}),
        ({"server": "https://x", "certificate-authority": "missing"}, {"token": "mine"}),
    ],
    ids=["exec", "provider", "no server", "no certificate", "no file"],
)
def test_a_kubeconfig_that_cannot_be_used_is_named(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any]
) -> None:
    environ = kubeconfig(tmp_path, cluster=cluster, user=user)

    with pytest.raises(NoCredentials, match=str(tmp_path / "config")):
        find_credentials(environ)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "a string",
        "current-context: here",
        "{current-context: x, contexts: [], clusters: [], users: []}",
        "{current-context: x, contexts: [{name: x, context: {cluster: y, user: y}}], clusters: []}",
    ],
)
def test_a_kubeconfig_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)

    with pytest.raises(NoCredentials, match="cannot be used"):
        find_credentials({"KUBECONFIG": str(path)})


def test_a_kubeconfig_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoCredentials, match="cannot be used"):
        find_credentials({"KUBECONFIG": str(tmp_path / "nowhere")})
