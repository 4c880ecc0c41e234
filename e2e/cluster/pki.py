"""A certificate authority for one test cluster: certificates, keys and kubeconfigs.

Everything is made in memory with `cryptography` and written where it is asked
for, keys and kubeconfigs readable by their owner alone."""

import base64
import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes


def private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_private(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(data)
    return path


class Authority:
    """One CA for everything: servers, clients, nodes, the front proxy."""

    def __init__(self, folder: Path, *, now: datetime) -> None:
        self._folder = folder
        self._now = now
        if (folder / "ca.crt").exists():
            self._load()
        else:
            self._create()

    @property
    def path(self) -> Path:
        return self._folder / "ca.crt"

    def issue(
        self, user: str, *, groups: Sequence[str] = (), hosts: Sequence[str] = (), server: bool
    ) -> Pair:
        """A certificate for a user (CN) with groups (O), or for a server's names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if server:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = self._builder(subject, key.public_key()).add_extension(
            x509.ExtendedKeyUsage(usages), critical=False
        )
        if hosts:
            alternatives = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), private_pem(key))

    def write(self, name: str, pair: Pair) -> None:
        write_private(self._folder / f"{name}.crt", pair.certificate)
        write_private(self._folder / f"{name}.key", pair.key)

    def kubeconfig(self, path: Path, *, url: str, pair: Pair) -> Path:
        """A kubeconfig (JSON, which is YAML) with everything inside it."""
        user = {
            "client-certificate-data": _b64(pair.certificate),
            "client-key-data": _b64(pair.key),
        }
        cluster = {"server": url, "certificate-authority-data": _b64(self.path.read_bytes())}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        return write_private(path, json.dumps(document, indent=1).encode())

    def write_service_account_keys(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        write_private(self._folder / "sa.key", private_pem(key))
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_private(self._folder / "sa.pub", public)

    def _load(self) -> None:
        self._certificate = x509.load_pem_x509_certificate(self.path.read_bytes())
        key = serialization.load_pem_private_key(
            (self._folder / "ca.key").read_bytes(), password=None
        )
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    def _create(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ostiary test CA")])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = self._builder(name, self._key.public_key(), issuer=name)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        self._certificate = builder.add_extension(usage, True).sign(self._key, hashes.SHA256())
        pem = self._certificate.public_bytes(serialization.Encoding.PEM)
        self.write("ca", Pair(pem, private_pem(self._key)))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name | None = None
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            # an hour back, for clocks that disagree
            .not_valid_before(self._now.astimezone(UTC) - timedelta(hours=1))
            .not_valid_after(self._now.astimezone(UTC) + timedelta(days=365))
        )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
