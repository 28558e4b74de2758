"""Plain signatures: the encodings of ECDSA values."""

from asn1crypto import pem, x509
from asn1crypto.algos import DSASignature


def with_der_ecdsa(question, value: bytes):
    """The signature as tools want it: a fixed-width ECDSA value as DER. None when its width is not the curve's."""
    if question.algorithm != "ecdsa" or question.ecdsa_encoding == "der":
        return value
    with open(question.leaf, "rb") as certificate:
        _, _, der = pem.unarmor(certificate.read())
    width = (x509.Certificate.load(der).public_key.bit_size + 7) // 8
    if len(value) != 2 * width:
        return None
    return DSASignature({"r": int.from_bytes(value[:width], "big"), "s": int.from_bytes(value[width:], "big")}).dump()
