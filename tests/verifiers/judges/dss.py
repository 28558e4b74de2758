"""EU DSS, by the Java program in `eu-dss`."""

import os
from pathlib import Path

from judges import cms_structure, interface
from judges.interface import Answer
from judges.java import Program

FORMATS = {"cades", "pades", "xades", "timestamp"}


def judge(question, taken_apart=None) -> Answer:
    # One larger than memory is not looked into.
    if question.format == "cades" and os.path.getsize(question.file) < interface.LARGE and cms_structure.uses_ml_dsa(Path(question.file).read_bytes()):
        return Answer.not_applicable("EU DSS 6.4 has no ML-DSA")
    options = [("--format", question.format), ("--policy", question.policy)]
    options += [("--root", root) for root in question.roots]
    options += [("--cert", certificate) for certificate in question.certificates]
    options += [("--crl", crl) for crl in question.crls]
    options += [("--says", says) for says in question.says]
    options += [("--signers", question.signers)]
    options += [("--signature-policy", policy) for policy in question.signature_policies]
    options += [("--before", question.before), ("--password", question.password)]
    options += [("--detached", file) for file in question.beside]
    options += [("--content", question.content), ("--expect", question.expect)]
    options += [("--taken-apart", taken_apart)]
    words = [word for name, value in options if value is not None for word in (name, value)]
    return _checker(interface.compilers(question)).ask(*words, question.file, seconds=question.seconds)


def _checker(compilers):
    home = os.path.join(os.environ["SIGILLO_TOOLS_DIR"], "dss")
    # What DSS reads as a stream is larger than this memory; deep structures of PDFs take much stack.
    options = ("-Xmx1g", "-Xss256m", *compilers)
    return Program("the EU DSS checker", (f"{home}/dss-checker.jar", f"{home}/lib/*"), "sigillo.dss.Main", options)
