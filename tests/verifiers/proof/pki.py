"""A throw-away certification authority and seal certificates, made by the openssl program, for ML-DSA by Python's cryptography."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import authority
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
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

[unit]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
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
    """One trusted root, one root that signed nothing here, one leaf per kind of key, and some for time-stamping."""

    root: Path
    stranger: Path
    leaves: dict
    units: dict
    # Of the trusted root: EU DSS wants one for time-stamping units, whatever their certificates say.
    crl: Path


def create(folder) -> Pki:
    folder.mkdir()
    extensions = folder / "extensions.cnf"
    extensions.write_text(_EXTENSIONS)
    root, root_key = _authority(folder, "Test Root", "root")
    stranger, _ = _authority(folder, "Test Stranger", "stranger")
    def leaf(section, kind):
        name = f"{section}-{kind}"
        key = _key(folder, name, kind)
        request, certificate = folder / f"{name}.csr", folder / f"{name}.pem"
        subject = f"/C=EE/O=Acme AS/organizationIdentifier=NTREE-12345678/CN=Test {section} {kind}"
        _openssl("req", "-new", "-utf8", "-key", key, "-subj", subject, "-out", request)
        _openssl("x509", "-req", "-sha256", "-in", request, "-CA", root, "-CAkey", root_key, "-CAcreateserial", "-days", "30",
                 "-extfile", extensions, "-extensions", section, "-out", certificate)
        return Leaf(certificate, key)

    leaves = {kind: leaf("leaf", kind) for kind in _KEYS}
    leaves["ml-dsa"] = _ml_dsa(folder, root, root_key)
    units = {kind: leaf("unit", kind) for kind in ("rsa", "p256")}
    return Pki(root, stranger, leaves, units, _revocation_list(folder, root, root_key))


def _revocation_list(folder, root, root_key):
    issuer, now = x509.load_pem_x509_certificate(root.read_bytes()), datetime.now(timezone.utc)
    empty = x509.CertificateRevocationListBuilder(issuer.subject, now, now + timedelta(days=1))
    crl = folder / "root.crl"
    crl.write_bytes(empty.sign(load_pem_private_key(root_key.read_bytes(), None), SHA256()).public_bytes(Encoding.DER))
    return crl


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
