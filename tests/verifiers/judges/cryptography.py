"""Python's cryptography: plain signatures, with the public key of the certificate.

It stands on its own copy of OpenSSL, but on other functions of it than the openssl program.
"""

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa

from judges import plain
from judges.interface import Answer

FORMATS = {"plain"}
_HASHES = {"SHA-256": hashes.SHA256(), "SHA-384": hashes.SHA384(), "SHA-512": hashes.SHA512()}
_KEYS = {
    "rsa-pkcs1": rsa.RSAPublicKey,
    "rsa-pss": rsa.RSAPublicKey,
    "ecdsa": ec.EllipticCurvePublicKey,
    "eddsa": ed25519.Ed25519PublicKey,
    "ml-dsa": (mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey),
}


def judge(question) -> Answer:
    key = x509.load_pem_x509_certificate(Path(question.leaf).read_bytes()).public_key()
    if not isinstance(key, _KEYS[question.algorithm]):
        return Answer.invalid(f"the certificate has no key for {question.algorithm}")
    signature = plain.with_der_ecdsa(question, Path(question.file).read_bytes())
    if signature is None:
        return Answer.invalid("not a fixed-width ECDSA signature")
    try:
        key.verify(signature, Path(question.detached).read_bytes(), *_parameters(question))
    except InvalidSignature:
        return Answer.invalid("the signature does not fit data and key")
    return Answer.valid(f"{question.algorithm} verified")


def _parameters(question):
    if question.algorithm in ("eddsa", "ml-dsa"):
        return ()
    digest = _HASHES[question.digest]
    if question.algorithm == "ecdsa":
        return (ec.ECDSA(digest),)
    if question.algorithm == "rsa-pkcs1":
        return (padding.PKCS1v15(), digest)
    return (padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.DIGEST_LENGTH), digest)
