"""A throw-away certification authority and seal certificates, made by the openssl program, for ML-DSA by Python's cryptography."""

from dataclasses import dataclass
from pathlib import Path

import authority
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from judges.command import run

_EXTENSIONS = """
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash

[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, nonRepudiation
# With no extended key usage poppler reports a stale NSS error instead of trust.
extendedKeyUsage = emailProtection
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
# noRevAvail (RFC 9608): no revocation data exists, so none is missed.
2.5.29.56 = ASN1:NULL
"""

_KEYS = {
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ed25519": ["-algorithm", "ED25519"],
}


@dataclass(frozen=True)
class Leaf:
    """A seal certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Pki:
    """One trusted root, one root that signed nothing here, one leaf per kind of key."""

    root: Path
    stranger: Path
    leaves: dict


def create(folder) -> Pki:
    folder.mkdir()
    extensions = folder / "extensions.cnf"
    extensions.write_text(_EXTENSIONS)
    root, root_key = _authority(folder, "Test Root", "root")
    stranger, _ = _authority(folder, "Test Stranger", "stranger")
    leaves = {}
    for name in _KEYS:
        key = _key(folder, name, name)
        request, certificate = folder / f"{name}.csr", folder / f"{name}.pem"
        subject = f"/C=EE/O=Acme AS/organizationIdentifier=NTREE-12345678/CN=Test Seal {name}"
        _openssl("req", "-new", "-utf8", "-key", key, "-subj", subject, "-out", request)
        _openssl("x509", "-req", "-sha256", "-in", request, "-CA", root, "-CAkey", root_key, "-CAcreateserial", "-days", "30",
                 "-extfile", extensions, "-extensions", "leaf", "-out", certificate)
        leaves[name] = Leaf(certificate, key)
    leaves["ml-dsa"] = _ml_dsa(folder, root, root_key)
    return Pki(root, stranger, leaves)


def _ml_dsa(folder, root, root_key):
    private = mldsa.MLDSA65PrivateKey.generate()
    key, request, certificate = (folder / f"ml-dsa.{ending}" for ending in ("key", "csr", "pem"))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test Seal ml-dsa")])
    asked = x509.CertificateSigningRequestBuilder(subject).sign(private, None)
    request.write_bytes(asked.public_bytes(Encoding.PEM))
    authority.certify(request, root, root_key, certificate)
    return Leaf(certificate, key)


def _authority(folder, name, file):
    key = _key(folder, file, "p256")
    request, certificate = folder / f"{file}.csr", folder / f"{file}.pem"
    _openssl("req", "-new", "-key", key, "-subj", f"/C=EE/O=Acme AS/CN={name}", "-out", request)
    _openssl("x509", "-req", "-sha256", "-in", request, "-signkey", key, "-days", "30",
             "-extfile", folder / "extensions.cnf", "-extensions", "ca", "-out", certificate)
    return certificate, key


def _key(folder, file, kind):
    key = folder / f"{file}.key"
    _openssl("genpkey", *_KEYS[kind], "-out", key)
    return key


def _openssl(*words):
    result = run("openssl", *map(str, words))
    if result.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {result.stdout}")
