"""xmlsec1: the XML signature of XAdES, every signature of the file. It does not look at what XAdES adds."""

import re
from pathlib import Path

from judges import xml_signatures
from judges.command import run
from judges.interface import Answer

FORMATS = {"xades"}
_XADES = "http://uri.etsi.org/01903/v1.3.2#"
_DS = xml_signatures.DS


def judge(question) -> Answer:
    signatures = xml_signatures.read(question.file)
    if signatures is None:
        return Answer.invalid("not well-formed XML")
    if not signatures:
        return Answer.invalid("no signature found")
    for number, signature in enumerate(signatures, start=1):
        answer = _verify(question, number, xml_signatures.algorithm(signature))
        if answer.verdict != "valid":
            return answer
    return answer


def _verify(question, number, algorithm):
    if "eddsa" in algorithm or ("MGF1" in algorithm and _version() < (1, 3)):
        return Answer.not_applicable(f"this xmlsec1 has no {algorithm}")
    # Only certificates: a bare ds:KeyValue would be believed without any trust.
    words = ["xmlsec1", "--verify", "--enabled-key-data", "x509"]
    # The last two are what internally detached signatures of ours are over; they have no namespace.
    for element in (f"{_XADES}:SignedProperties", f"{_DS}:KeyInfo", f"{_DS}:Object", f"{_DS}:SignatureValue", "document", "part"):
        words += ["--id-attr:Id", element]
    if question.beside:
        words += ["--enabled-reference-uris", "empty,same-doc,local,remote"]
    # It looks for what a URI stands for without percent-encoding.
    for file in question.beside:
        words += [f"--url-map:{Path(file).name}", file]
    for root in question.roots:
        words += ["--trusted-pem", root]
    for certificate in question.certificates:
        words += ["--untrusted-pem", certificate]
    xpath = f"(//*[local-name()='Signature' and namespace-uri()='{_DS}'])[{number}]"
    verification = run(*words, "--node-xpath", xpath, question.file)
    lines = [line.strip() for line in verification.stdout.splitlines()]
    references = next((line for line in lines if line.startswith("SignedInfo References")), "")
    if verification.returncode == 0 and "OK" in lines:
        return Answer.valid(references)
    reasons = re.findall(r":error=\d+:([^:]+):", verification.stdout)
    return Answer.invalid(f"signature {number}: {references} {'; '.join(dict.fromkeys(reasons))}")


def _version():
    words = run("xmlsec1", "--version").stdout.split()
    return tuple(int(part) for part in words[1].split(".")[:2])
