"""OpenSSL: `cms -verify -cades` for CAdES and for the CMS inside PAdES, `dgst` and `pkeyutl` for plain signatures, `ts -verify`."""

import tempfile
from pathlib import Path

from judges import cms_structure, pdf_signatures, plain
from judges.command import last_line, run
from judges.interface import Answer

FORMATS = {"cades", "pades", "plain", "timestamp"}


def judge(question) -> Answer:
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        return {"cades": _cades, "pades": _pades, "plain": _plain, "timestamp": _timestamp}[question.format](question, Path(folder))


def _cades(question, folder):
    der = Path(question.file).read_bytes()
    if question.detached is not None and cms_structure.is_encapsulated(der):
        return Answer.invalid("carries its content, but was said to be detached")
    detached = None if question.detached is None else Path(question.detached)
    answer = _cms(question, folder, der, detached)
    if answer.verdict == "valid" and question.content is not None:
        if (folder / "content").read_bytes() != Path(question.content).read_bytes():
            return Answer.invalid(f"the signed content is not {question.content}")
    return answer


def _pades(question, folder):
    try:
        signatures = pdf_signatures.extract(Path(question.file).read_bytes())
    except pdf_signatures.Malformed as malformed:
        return Answer.invalid(str(malformed))
    covered = folder / "covered"
    for number, signature in enumerate(signatures, start=1):
        covered.write_bytes(signature.covered)
        answer = _cms(question, folder, signature.cms, covered)
        if answer.verdict != "valid":
            return Answer(answer.verdict, f"signature {number}: {answer.detail}")
    return Answer.valid(f"{len(signatures)} signature(s), CMS verified over the byte range, file covered to its end")


def _cms(question, folder, der, detached):
    if cms_structure.uses_eddsa(der) and _is_before((3, 2)):
        return Answer.not_applicable("this OpenSSL has no EdDSA in CMS")
    if cms_structure.uses_ml_dsa(der) and _is_before((3, 5)):
        return Answer.not_applicable("this OpenSSL has no ML-DSA")
    (folder / "cms").write_bytes(der)
    _join(question.roots, folder / "roots")
    # -binary: else text is canonicalised. -purpose any: else only e-mail certificates pass. No store of the machine.
    words = ["openssl", "cms", "-verify", "-cades", "-binary", "-purpose", "any", "-inform", "DER"]
    words += ["-in", str(folder / "cms"), "-CAfile", str(folder / "roots"), "-no-CApath", "-no-CAstore"]
    words += ["-out", str(folder / "content")]
    if detached is not None:
        words += ["-content", str(detached)]
    if question.certificates:
        _join(question.certificates, folder / "certificates")
        words += ["-certfile", str(folder / "certificates")]
    verification = run(*words)
    if verification.returncode == 0 and "CAdES Verification successful" in verification.stdout:
        return Answer.valid("CAdES Verification successful")
    return Answer.invalid(_reason(verification.stdout))


def _is_before(wanted) -> bool:
    version = run("openssl", "version").stdout.split()[1]
    major, minor = (int(part) for part in version.split(".")[:2])
    return (major, minor) < wanted


def _plain(question, folder):
    if question.algorithm == "ml-dsa" and _is_before((3, 5)):
        return Answer.not_applicable("this OpenSSL has no ML-DSA")
    key, signature = folder / "key", folder / "signature"
    exported = run("openssl", "x509", "-in", question.leaf, "-noout", "-pubkey", "-out", str(key))
    if exported.returncode != 0:
        return Answer.error(f"cannot read the certificate {question.leaf}")
    value = plain.with_der_ecdsa(question, Path(question.file).read_bytes())
    if value is None:
        return Answer.invalid("not a fixed-width ECDSA signature")
    signature.write_bytes(value)
    whole = question.algorithm in ("eddsa", "ml-dsa")
    files = ["-sigfile" if whole else "-signature", str(signature)]
    if whole:
        verification = run("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(key), "-rawin", "-in", question.detached, *files)
    else:
        digest = "-" + question.digest.replace("-", "").lower()
        padding = []
        if question.algorithm == "rsa-pss":
            padding = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
        verification = run("openssl", "dgst", digest, *padding, "-verify", str(key), *files, question.detached)
    if verification.returncode == 0:
        return Answer.valid(verification.stdout.strip())
    return Answer.invalid(_reason(verification.stdout))


def _timestamp(question, folder):
    if cms_structure.uses_pss(Path(question.file).read_bytes()):
        return Answer.not_applicable("openssl ts has no RSA-PSS")
    _join(question.roots, folder / "roots")
    words = ["openssl", "ts", "-verify", "-data", question.detached, "-in", question.file, "-token_in"]
    words += ["-CAfile", str(folder / "roots")]
    if question.certificates:
        _join(question.certificates, folder / "certificates")
        words += ["-untrusted", str(folder / "certificates")]
    verification = run(*words)
    if verification.returncode == 0 and "Verification: OK" in verification.stdout:
        return Answer.valid("Verification: OK")
    return Answer.invalid(_reason(verification.stdout))


def _reason(output):
    """The last entry of OpenSSL's error queue (thread:error:code:library:function:reason:file:line:data), without its addresses."""
    entries = [line.split(":", 8) for line in output.splitlines() if ":error:" in line]
    if not entries or len(entries[-1]) < 6:
        return last_line(output)
    data = entries[-1][8] if len(entries[-1]) > 8 else ""
    return f"{entries[-1][4]}: {entries[-1][5]} {data}"


def _join(certificates, path):
    path.write_text("".join(Path(certificate).read_text() + "\n" for certificate in certificates))
