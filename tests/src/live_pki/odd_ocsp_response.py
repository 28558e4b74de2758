"""OCSP responses that `openssl ocsp` does not make. Arguments: folder of the authority, folder of request and response, how, seconds."""

import datetime
import os
import pathlib
import sys

from asn1crypto import core
from asn1crypto import ocsp as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

authority, exchange, how, seconds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])


def certificate(name):
    return x509.load_pem_x509_certificate((authority / f"{name}.pem").read_bytes())


def key(name):
    return serialization.load_pem_private_key((authority / f"{name}.key").read_bytes(), None)


now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
hour, day = datetime.timedelta(hours=1), datetime.timedelta(days=1)
times = {"stale": (now - 3 * day, now - 2 * day), "future": (now + hour, now + day)}
begin, end = times.get(how, (now - datetime.timedelta(seconds=seconds), now + day))
request = ocsp.load_der_ocsp_request((exchange / "request").read_bytes())
signer = how if how in ("stranger", "no-responder") else "responder"
serial = request.serial_number + (how == "other-certificate")

builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
    issuer_name_hash=request.issuer_name_hash,
    issuer_key_hash=request.issuer_key_hash,
    serial_number=serial,
    algorithm=request.hash_algorithm,
    cert_status=ocsp.OCSPCertStatus.GOOD,
    this_update=begin,
    next_update=end,
    revocation_time=None,
    revocation_reason=None,
)
builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, certificate(signer)).certificates([certificate(signer)])
if how == "wrong-nonce":
    builder = builder.add_extension(x509.OCSPNonce(os.urandom(16)), critical=False)
response = builder.sign(key(signer), hashes.SHA256()).public_bytes(serialization.Encoding.DER)
if how == "archive":
    # RFC 6960, section 4.4.4: certificates that expired since are known still. Python's cryptography writes no extension of that place.
    outer = asn1.OCSPResponse.load(response)
    basic = outer["response_bytes"]["response"].parsed
    cutoff = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    extensions = [{"extn_id": "archive_cutoff", "extn_value": core.GeneralizedTime(cutoff)}]
    basic["tbs_response_data"]["responses"][0]["single_extensions"] = extensions
    basic["signature"] = key(signer).sign(basic["tbs_response_data"].dump(force=True), ec.ECDSA(hashes.SHA256()))
    outer["response_bytes"]["response"] = core.ParsableOctetString(basic.dump(force=True))
    response = outer.dump(force=True)
(exchange / "response").write_bytes(response)
