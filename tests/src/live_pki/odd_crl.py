"""CRLs that `openssl ca` does not make. Arguments: folder of the authority, name of the issuer, folder for the list, how."""

import datetime
import pathlib
import sys

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

authority, issuer, exchange, how = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4]
certificate = x509.load_pem_x509_certificate((authority / f"{issuer}.pem").read_bytes())
key = serialization.load_pem_private_key((authority / f"{issuer}.key").read_bytes(), None)
now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
crl = x509.CertificateRevocationListBuilder(certificate.subject, now, now + datetime.timedelta(days=1))
if how == "foreign-entry":
    # RFC 5280, section 5.3.3: critical, and of lists that say that they are indirect.
    entry = x509.RevokedCertificateBuilder(4711, now)
    others = x509.CertificateIssuer([x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Another")]))])
    crl = crl.add_revoked_certificate(entry.add_extension(others, critical=True).build())
else:
    # expiredCertsOnCRL: certificates that expired since are on the list still.
    since = core.GeneralizedTime(datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)).dump()
    crl = crl.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.60"), since), critical=False)
(exchange / "crl").write_bytes(crl.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
