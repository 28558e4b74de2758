"""A certification authority for keys that the openssl program does not know: authority root FOLDER, authority certify REQUEST ROOT KEY OUT.

`root` makes an ML-DSA-87 root, FOLDER/root.pem with FOLDER/root.key. `certify` checks the request's own signature and certifies a seal
with whatever root it is given.
"""

import datetime
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

_NO_REVOCATION = x509.ObjectIdentifier("2.5.29.56")
_SIGNING = {"digital_signature": True, "content_commitment": True}
_CERTIFYING = {"key_cert_sign": True, "crl_sign": True}


def make_root(folder: Path):
    key = mldsa.MLDSA87PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test ML-DSA Root")])
    certificate = _sign(_builder(subject, key.public_key(), subject, key, x509.BasicConstraints(True, None), _CERTIFYING), key)
    (folder / "root.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "root.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def certify(request: Path, root: Path, key: Path, out: Path):
    asked = x509.load_pem_x509_csr(request.read_bytes())
    if not asked.is_signature_valid:
        sys.exit(f"{request}: the signature of the request does not verify")
    issuer, issuer_key = x509.load_pem_x509_certificate(root.read_bytes()), load_pem_private_key(key.read_bytes(), None)
    builder = _builder(asked.subject, asked.public_key(), issuer.subject, issuer_key, x509.BasicConstraints(False, None), _SIGNING)
    builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    # noRevAvail (RFC 9608) is an ASN.1 NULL.
    builder = builder.add_extension(x509.UnrecognizedExtension(_NO_REVOCATION, b"\x05\x00"), critical=False)
    out.write_bytes(_sign(builder, issuer_key).public_bytes(Encoding.PEM))


def _builder(subject, key, issuer, issuer_key, constraints, usage):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(minutes=1)).not_valid_after(now + datetime.timedelta(days=30))
    builder = builder.add_extension(constraints, critical=True).add_extension(_key_usage(usage), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    issuer_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return builder.add_extension(issuer_identifier, critical=False)


def _key_usage(usage):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
             "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: usage.get(name, False) for name in names})


def _sign(builder, key):
    return builder.sign(key, SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) else None)


if __name__ == "__main__":
    verb, *paths = sys.argv[1:]
    {"root": make_root, "certify": certify}[verb](*map(Path, paths))
