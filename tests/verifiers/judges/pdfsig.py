"""poppler's pdfsig: integrity of every signature, and that the last covers the whole file.

Its exit code is 0 even for a wrong digest, so its words are read. Trust decides only where poppler denies it: for a
trusted chain poppler 22.12 may instead report an error that an earlier call left behind in NSS ("Unknown issue").
"""

import functools
import re
import tempfile

from judges import cms_structure, pdf_signatures
from judges.command import last_line, run
from judges.interface import Answer

FORMATS = {"pades"}
_UNSIGNED = "The signature form field is not signed."
_UNVERIFIED = "Signature has not yet been verified."
_DISTRUSTED = {
    "Certificate issuer isn't Trusted.",
    "Certificate issuer is unknown.",
    "Certificate has been Revoked.",
    "Certificate has Expired",
}


def judge(question) -> Answer:
    if question.before is not None:
        return _last_signature(question)
    if _uses_eddsa(question.file):
        return Answer.not_applicable("pdfsig has no EdDSA")
    report, signatures = _report(question, question.file, "-nssdir", _store(question.roots).name, "-no-ocsp")
    if not signatures:
        return Answer.invalid(last_line(report))
    for number, signature in enumerate(signatures, start=1):
        # poppler 22.12 shows document timestamps, and verifies none.
        if number > 1 and _field(signature, "Signature Type") == "unknown" and _UNVERIFIED in signature:
            continue
        if "Signature Validation: Signature is Valid." not in signature:
            return Answer.invalid(f"signature {number}: {_field(signature, 'Signature Validation')}")
        if _field(signature, "Certificate Validation") in _DISTRUSTED:
            return Answer.invalid(f"signature {number}: {_field(signature, 'Certificate Validation')}")
    # They come in the order of the form, which is not that of signing.
    last = max(signatures, key=_end)
    if "Total document signed" not in last:
        # At B-LT the document security store follows; as it was before, the signature must cover the file.
        if question.expect != "PAdES-BASELINE-LT" or not _covers_its_revision(question):
            return Answer.invalid("the last signature does not cover the whole file")
    trust = "trusted" if "Certificate is Trusted." in last else "trust not judged"
    return Answer.valid(f"{len(signatures)} signature(s), total document signed, {trust}")


def _report(question, file, *options):
    """All that pdfsig says, and of that the part on each signature."""
    passwords = [] if question.password is None else ["-upw", question.password, "-opw", question.password]
    report = run("pdfsig", *options, *passwords, file).stdout
    signatures = re.split(r"^Signature #\d+:$", report, flags=re.MULTILINE)[1:]
    return report, [signature for signature in signatures if _UNSIGNED not in signature]


def _last_signature(question):
    """Judges the integrity of one signature; those that were there before must fare as they did then."""
    report, signatures = _report(question, question.file, "-nocert")
    _, earlier = _report(question, question.before, "-nocert")
    intact = [signature for signature in signatures if "Signature Validation: Signature is Valid." in signature]
    were_intact = [signature for signature in earlier if "Signature Validation: Signature is Valid." in signature]
    # poppler 22.12 shows document timestamps, and verifies none.
    stamps = 1 if question.expect == "PAdES-BASELINE-LTA" else 0
    stamped = [signature for signature in signatures if _UNVERIFIED in signature]
    whole = any("Total document signed" in signature for signature in (stamped if stamps else intact))
    if not whole and not (question.expect == "PAdES-BASELINE-LT" and _covers_its_revision(question)):
        return Answer.invalid(f"no valid signature covers the whole file: {last_line(report)}")
    if len(intact) != len(were_intact) + 1 or len(signatures) != len(earlier) + 1 + stamps:
        return Answer.invalid(f"of {len(earlier)} signatures {len(were_intact)} were intact, of {len(signatures)} {len(intact)} are now")
    return Answer.valid(f"{len(signatures)} signature(s), total document signed")


def _covers_its_revision(question):
    """Whether the last signature covers the whole of the file that ends where its range does."""
    with open(question.file, "rb") as pdf:
        octets = pdf.read()
    with tempfile.NamedTemporaryFile(suffix=".pdf") as revision:
        revision.write(octets[: pdf_signatures.last_end(octets)])
        revision.flush()
        _, signatures = _report(question, revision.name, "-nocert")
    return "Total document signed" in max(signatures, key=_end)


def _end(report):
    """Where the range of a signature ends; 0 for a field that is not signed."""
    return int(_field(report, "Signed Ranges").rstrip("]").rpartition(" - ")[2] or 0) if "Signed Ranges" in report else 0


def _uses_eddsa(path):
    try:
        with open(path, "rb") as pdf:
            return any(cms_structure.uses_eddsa(signature.cms) for signature in pdf_signatures.extract(pdf.read()))
    except pdf_signatures.Malformed:
        return False


@functools.cache
def _store(roots):
    """An NSS database that trusts these roots; kept until the program ends."""
    folder = tempfile.TemporaryDirectory(prefix="verify-nss-")
    run("certutil", "-d", f"sql:{folder.name}", "-N", "--empty-password")
    for number, root in enumerate(roots):
        run("certutil", "-d", f"sql:{folder.name}", "-A", "-n", f"root-{number}", "-t", "CT,C,C", "-i", root)
    return folder


def _field(report, name):
    match = re.search(rf"- {name}: (.*)", report)
    return match.group(1) if match else f"no {name.lower()}"
