"""Change one byte of a sample in each part that its signature protects, append to a PDF, and have a PDF/A claim what it is not."""

import re
from dataclasses import replace

from asn1crypto import cms
from judges import pdf_signatures

# The one change that leaves what was signed as it was: EU DSS rightly does not mind.
APPENDED = "bytes after the end"


def every_part(sample, folder):
    """Yields (where, the sample with it changed)."""
    return {"plain": _plain, "cades": _cades, "pades": _pades, "xades": _xades, "pdf": _pdf, "timestamp": _timestamp}[sample.format](sample, folder)


def _plain(sample, folder):
    value = sample.file.read_bytes()
    yield "signature value", _with_file(sample, folder, "value", _flip(value, len(value) // 2))
    yield "data", _with_data(sample, folder)


def _cades(sample, folder):
    der = sample.file.read_bytes()
    for part, protected in _cms_parts(der):
        yield part, _with_file(sample, folder, part, _flip(der, der.index(protected) + len(protected) // 2))
    if sample.data is not None:
        yield "data", _with_data(sample, folder)
    else:
        content = cms.ContentInfo.load(der)["content"]["encap_content_info"]["content"].native
        yield "content", _with_file(sample, folder, "content", _flip(der, der.index(content) + len(content) // 2))


def _timestamp(sample, folder):
    der = sample.file.read_bytes()
    info = cms.ContentInfo.load(der)["content"]["encap_content_info"]["content"].parsed
    time = info["gen_time"].contents
    for part, protected in (*_cms_parts(der), ("time", time), ("imprint", info["message_imprint"]["hashed_message"].native)):
        # The last digit of a time's seconds, where it has no fraction: another digit.
        at = der.index(protected) + (len(protected) - 2 if part == "time" else len(protected) // 2)
        yield part, _with_file(sample, folder, part, _flip(der, at))
    yield "data", _with_data(sample, folder)


def _pades(sample, folder):
    pdf = sample.file.read_bytes()
    for part, protected in _cms_parts(pdf_signatures.extract(pdf)[-1].cms):
        digits = protected.hex().encode()
        at = re.search(digits, pdf, re.IGNORECASE).start() + len(digits) // 2
        yield part, _with_file(sample, folder, part, pdf[:at] + (b"1" if pdf[at : at + 1] == b"0" else b"0") + pdf[at + 1 :])
    yield "document", _with_file(sample, folder, "document", _flip(pdf, len(pdf) // 3))
    yield APPENDED, _with_file(sample, folder, "appended", pdf + b"% more\n%%EOF\n")


def _xades(sample, folder):
    xml = sample.file.read_bytes()
    for part, pattern in (
        ("document", rb"<cbc:StreetName>()"),
        ("signed property", rb"SigningTime>20()"),
        ("signature value", rb"SignatureValue[^>]*>\s*[A-Za-z0-9+/]{40}()"),
        ("digest value", rb"DigestValue>[A-Za-z0-9+/]{20}()"),
    ):
        at = re.search(pattern, xml).end()
        yield part, _with_file(sample, folder, part, xml[:at] + (b"2" if xml[at : at + 1] != b"2" else b"3") + xml[at + 1 :])


def _pdf(sample, folder):
    """Says more than it is: PDF/A-1 has neither object streams nor, at level A, pages without structure, PDF/A-2 no attachment of any kind."""
    pdf = sample.file.read_bytes()
    for part, said, instead in (
        ("claimed level", b"<pdfaid:part>1</pdfaid:part><pdfaid:conformance>B", b"<pdfaid:part>1</pdfaid:part><pdfaid:conformance>A"),
        ("claimed part", b"<pdfaid:part>2", b"<pdfaid:part>1"),
        ("claimed part", b"<pdfaid:part>3", b"<pdfaid:part>2"),
        ("output intent", b"/OutputIntents", b"/Forgotten    "),
    ):
        if said in pdf:
            yield part, replace(_with_file(sample, folder, part, pdf.replace(said, instead)), options=())


def _cms_parts(der):
    """The signature value and, within the signed attributes, the digest of the signing certificate."""
    signer = cms.ContentInfo.load(der)["content"]["signer_infos"][0]
    yield "signature value", signer["signature"].native
    for attribute in signer["signed_attrs"]:
        if attribute["type"].native == "signing_certificate_v2":
            yield "signed attribute", attribute["values"][0]["certs"][0]["cert_hash"].native


def _flip(original, at):
    return original[:at] + bytes([original[at] ^ 1]) + original[at + 1 :]


def _with_file(sample, folder, part, changed):
    file = folder / f"{sample.file.stem}-{part.replace(' ', '-')}{sample.file.suffix}"
    file.write_bytes(changed)
    return replace(sample, file=file)


def _with_data(sample, folder):
    original = sample.data.read_bytes()
    file = folder / f"{sample.file.stem}-data"
    file.write_bytes(_flip(original, len(original) // 2))
    return replace(sample, data=file)
