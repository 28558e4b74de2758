"""signxml: XAdES with its signing certificate reference, every signature of the file, chain to the given roots."""

import tempfile
from pathlib import Path

from signxml import SignatureConfiguration
from signxml.xades import XAdESVerifier

from judges import xml_signatures
from judges.interface import Answer

FORMATS = {"xades"}


def judge(question) -> Answer:
    signatures = xml_signatures.read(question.file)
    if not signatures:
        return Answer.invalid("no XML with a signature")
    if len(signatures) > 1:
        return Answer.not_applicable("signxml verifies one signature per file")
    if "eddsa" in xml_signatures.algorithm(signatures[0]):
        return Answer.not_applicable("signxml has no EdDSA")
    if xml_signatures.has_instruction_beside_root(signatures[0]):
        return Answer.not_applicable("signxml leaves instructions beside the root out of what it digests")
    if question.detached:
        return Answer.not_applicable("signxml is asked about what is in one file")
    if any("#base64" in uri for uri in xml_signatures.transforms(signatures[0])):
        return Answer.not_applicable("signxml has no base64 transform")
    expected = SignatureConfiguration(expect_references=xml_signatures.references(signatures[0]))
    with tempfile.NamedTemporaryFile(prefix="verify-") as roots:
        for root in question.roots:
            roots.write(Path(root).read_bytes() + b"\n")
        roots.flush()
        try:
            results = XAdESVerifier().verify(Path(question.file).read_bytes(), ca_pem_file=roots.name, expect_config=expected)
        except Exception as refusal:  # signxml, lxml and cryptography share no root
            return Answer.invalid(f"{type(refusal).__name__}: {refusal}")
    return Answer.valid(f"{len(results)} references verified")
