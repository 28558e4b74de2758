"""Signed samples made by others: CAdES by OpenSSL (Ed25519 and ML-DSA by pyHanko), PAdES by pyHanko, XAdES by signxml, timestamps and
plain by OpenSSL (ML-DSA by Python's cryptography)."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from asn1crypto import cms
from asn1crypto.algos import DSASignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, fields, signers
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from signxml import CanonicalizationMethod, SignatureMethod
from signxml.xades import XAdESDataObjectFormat, XAdESSigner

from judges.command import run


@dataclass(frozen=True)
class Sample:
    """A signed file, and what a verifier must be told of it besides the roots."""

    name: str
    format: str
    algorithm: str
    file: Path
    data: Path | None = None
    options: tuple = ()
    # The document before its last signature, where it had one by then.
    before: Path | None = None
    # Whether that one forbids what was done to the document in between.
    wronged: bool = False


_FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
_PSS = ("rsa_padding_mode:pss", "rsa_pss_saltlen:digest")
_DIGESTS = {"rsa-pkcs1": "SHA-256", "rsa-pss": "SHA-256", "ecdsa": "SHA-256", "eddsa": "SHA-512", "ml-dsa": "SHA-512"}
_LEAVES = {"rsa-pkcs1": "rsa", "rsa-pss": "rsa", "ecdsa": "p256", "eddsa": "ed25519", "ml-dsa": "ml-dsa"}
ALGORITHMS = tuple(_LEAVES)
ARCHIVAL = {"pdfa-1b": "PDF/A-1B", "pdfa-2b": "PDF/A-2B", "pdfa-3b": "PDF/A-3B", "tagged": "PDF/A-2A,PDF/UA-1"}


def create(pki, folder):
    """All samples; those of one format and algorithm differ in packaging or document."""
    folder.mkdir()
    samples = []
    for algorithm in ALGORITHMS:
        leaf = pki.leaves[_LEAVES[algorithm]]
        samples.append(_plain(leaf, algorithm, folder))
        samples += [_cades(pki, leaf, algorithm, folder, packaging) for packaging in ("encapsulated", "detached")]
        if algorithm != "ml-dsa":
            samples.append(_pades(pki, leaf, algorithm, folder, "report"))
        if algorithm not in ("eddsa", "ml-dsa"):
            samples.append(_xades(leaf, algorithm, folder))
        # OpenSSL makes no timestamps with RSA-PSS and EdDSA.
        if algorithm in ("rsa-pkcs1", "ecdsa"):
            samples.append(_timestamp(pki, pki.units[_LEAVES[algorithm]], algorithm, folder))
    leaf = pki.leaves["p256"]
    samples.append(_fixed_width(next(sample for sample in samples if sample.name == "plain ecdsa"), folder))
    for document in ("report-xref-stream", "report-linearized", "report-encrypted", "form", "no-final-newline"):
        samples.append(_pades(pki, leaf, "ecdsa", folder, document))
    once = samples[-1]
    samples += [_signed_again(pki, pki.leaves["rsa"], once, folder), _changed_and_signed_again(pki, pki.leaves["rsa"], once, folder)]
    samples += [_archival(document, profile) for document, profile in ARCHIVAL.items()]
    return samples


def _plain(leaf, algorithm, folder):
    data, signature = _FIXTURES / "binary" / "64k.bin", folder / f"plain-{algorithm}.sig"
    if algorithm == "ml-dsa":
        signature.write_bytes(load_pem_private_key(leaf.key.read_bytes(), None).sign(data.read_bytes()))
    elif algorithm == "eddsa":
        _must("pkeyutl", "-sign", "-inkey", leaf.key, "-rawin", "-in", data, "-out", signature)
    else:
        padding = [word for option in _PSS for word in ("-sigopt", option)] if algorithm == "rsa-pss" else []
        _must("dgst", "-sha256", *padding, "-sign", leaf.key, "-out", signature, data)
    options = ("--algorithm", algorithm, "--digest", _DIGESTS[algorithm], "--leaf", str(leaf.certificate))
    return Sample(f"plain {algorithm}", "plain", algorithm, signature, data, options)


def _fixed_width(sample, folder):
    value = DSASignature.load(sample.file.read_bytes())
    file = folder / "plain-ecdsa-fixed.sig"
    file.write_bytes(b"".join(value[name].native.to_bytes(32, "big") for name in ("r", "s")))
    return replace(sample, name="plain ecdsa fixed", file=file, options=(*sample.options, "--ecdsa-encoding", "fixed"))


def _cades(pki, leaf, algorithm, folder, packaging):
    data, signed = _FIXTURES / "binary" / "crlf.txt", folder / f"cades-{packaging}-{algorithm}.p7s"
    if algorithm in ("eddsa", "ml-dsa"):
        # OpenSSL learned EdDSA in CMS with 3.2 and ML-DSA with 3.5, Debian 12 has 3.0.
        signer = _pyhanko_signer(pki, leaf, algorithm)
        made = asyncio.run(signer.async_sign_general_data(
            cms.ContentInfo({"content_type": "data", "content": data.read_bytes()}), "sha512",
            detached=packaging == "detached", use_cades=True,
            signed_attr_settings=PdfCMSSignedAttributes(signing_time=datetime.now(timezone.utc))))
        signed.write_bytes(made.dump())
    else:
        padding = [word for option in _PSS for word in ("-keyopt", option)] if algorithm == "rsa-pss" else []
        _must("cms", "-sign", "-cades", "-binary", "-md", "sha256", "-nosmimecap", "-in", data, "-signer", leaf.certificate,
              "-inkey", leaf.key, *padding, "-certfile", pki.root, "-outform", "DER", "-out", signed,
              *(["-nodetach"] if packaging == "encapsulated" else []))
    detached = packaging == "detached"
    options = () if detached else ("--content", str(data))
    return Sample(f"cades {packaging} {algorithm}", "cades", algorithm, signed, data if detached else None, options)


def _timestamp(pki, unit, algorithm, folder):
    data, token = _FIXTURES / "binary" / "crlf.txt", folder / f"timestamp-{algorithm}.tst"
    query, settings, serial = (folder / f"timestamp-{algorithm}.{ending}" for ending in ("tsq", "cnf", "serial"))
    serial.write_text("01")
    settings.write_text(f"[tsa]\ndefault_tsa = t\n[t]\nserial = {serial}\nsigner_cert = {unit.certificate}\ncerts = {pki.root}\n"
                        f"signer_key = {unit.key}\nsigner_digest = sha256\ndefault_policy = 1.3.6.1.4.1.99999.1\ndigests = sha256\n"
                        "accuracy = secs:1\ness_cert_id_alg = sha256\n")
    _must("ts", "-query", "-data", data, "-sha256", "-cert", "-out", query)
    _must("ts", "-reply", "-config", settings, "-queryfile", query, "-token_out", "-out", token)
    return Sample(f"timestamp {algorithm}", "timestamp", algorithm, token, data, ("--crl", str(pki.crl)))


def _pades(pki, leaf, algorithm, folder, document):
    signed = folder / f"pades-{document}-{algorithm}.pdf"
    _sign_pdf(pki, leaf, algorithm, _FIXTURES / "pdf" / f"{document}.pdf", signed, "Seal")
    return Sample(f"pades {document} {algorithm}", "pades", algorithm, signed)


def _archival(document, profile):
    """Not signed: what is judged is the claim."""
    return Sample(f"pdf {document}", "pdf", "none", _FIXTURES / "pdf" / f"{document}.pdf", options=("--expect", profile))


def _signed_again(pki, leaf, sample, folder):
    signed = folder / "pades-signed-twice.pdf"
    _sign_pdf(pki, leaf, "rsa-pkcs1", sample.file, signed, "Second seal")
    return Sample("pades signed twice", "pades", "rsa-pkcs1", signed, before=sample.file)


def _changed_and_signed_again(pki, leaf, sample, folder):
    """A page is turned in between, which no signature lets pass."""
    changed, signed = folder / "pades-changed.pdf", folder / "pades-changed-and-signed-again.pdf"
    with open(sample.file, "rb") as source, open(changed, "wb") as target:
        writer = IncrementalPdfFileWriter(source)
        page = writer.root["/Pages"]["/Kids"][0]
        page["/Rotate"] = generic.NumberObject(90)
        writer.update_container(page)
        writer.write(target)
    _sign_pdf(pki, leaf, "rsa-pkcs1", changed, signed, "Second seal")
    return Sample("pades changed between", "pades", "rsa-pkcs1", signed, before=sample.file, wronged=True)


def _sign_pdf(pki, leaf, algorithm, document, signed, field):
    metadata = PdfSignatureMetadata(field_name=field, subfilter=fields.SigSeedSubFilter.PADES,
                                    md_algorithm=_DIGESTS[algorithm].replace("-", "").lower())
    with open(document, "rb") as source, open(signed, "wb") as target:
        writer = IncrementalPdfFileWriter(source)
        if writer.prev.encrypted:
            writer.encrypt("")
        signers.sign_pdf(writer, metadata, _pyhanko_signer(pki, leaf, algorithm), output=target)


def _xades(leaf, algorithm, folder):
    method = {"rsa-pkcs1": SignatureMethod.RSA_SHA256, "rsa-pss": SignatureMethod.SHA256_RSA_MGF1,
              "ecdsa": SignatureMethod.ECDSA_SHA256}[algorithm]
    # Inclusive canonicalisation: with the exclusive one signxml digests SignedProperties otherwise than it declares.
    signer = XAdESSigner(signature_algorithm=method, c14n_algorithm=CanonicalizationMethod.CANONICAL_XML_1_0,
                         data_object_format=XAdESDataObjectFormat(Description="invoice", MimeType="text/xml"))
    invoice = etree.parse(_FIXTURES / "xml" / "invoice.xml").getroot()
    signed = folder / f"xades-{algorithm}.xml"
    # One with a ds:KeyValue, so that a verifier which believes it without trust is found out.
    made = signer.sign(invoice, key=leaf.key.read_bytes(), cert=leaf.certificate.read_text(), always_add_key_value=algorithm == "rsa-pkcs1")
    signed.write_bytes(etree.tostring(made))
    return Sample(f"xades {algorithm}", "xades", algorithm, signed)


def _pyhanko_signer(pki, leaf, algorithm):
    return signers.SimpleSigner.load(key_file=leaf.key, cert_file=leaf.certificate, ca_chain_files=(pki.root,),
                                     prefer_pss=algorithm == "rsa-pss")


def _must(*words):
    result = run("openssl", *map(str, words))
    if result.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {result.stdout}")
