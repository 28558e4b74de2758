"""Let every tool judge every sample, as signed and tampered with; print a table; exit 0 when all is as it must be.

`--details` prints every question and answer as well.
"""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from proof import pki, samples, tamper

_HERE = Path(__file__).resolve().parents[1]
_TOOLS = {
    "plain": ("openssl", "cryptography", "bouncycastle"),
    "cades": ("dss", "dss-stream", "openssl", "pyhanko", "bouncycastle"),
    "pades": ("dss", "openssl", "pyhanko", "pdfsig", "qpdf"),
    "xades": ("dss", "signxml", "xmlsec1"),
    "pdf": ("qpdf", "verapdf"),
    "timestamp": ("dss", "openssl", "pyhanko"),
}
# What the versions in Debian 12 lack; newer ones may answer.
_MAY_BE_UNABLE = {("openssl", "cades", "eddsa"), ("openssl", "pades", "eddsa"), ("pdfsig", "pades", "eddsa"), ("xmlsec1", "xades", "rsa-pss"),
                   ("openssl", "plain", "ml-dsa"), ("openssl", "cades", "ml-dsa"), ("dss", "cades", "ml-dsa"), ("dss-stream", "cades", "ml-dsa"),
                   *(("bouncycastle", "plain", algorithm) for algorithm in samples.ALGORITHMS if algorithm != "ml-dsa")}
_LEVELS = {"cades": "CAdES-BASELINE-B", "pades": "PAdES-BASELINE-B", "xades": "XAdES-BASELINE-B"}


@dataclass
class Case:
    """One question to one tool, the answer that proves it, and the answer it gave."""

    tool: str
    sample: str
    what: str
    expected: tuple
    arguments: list
    verdict: str = ""
    detail: str = ""

    @property
    def as_expected(self):
        return self.verdict in self.expected


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="verifiers-proof-") as name:
        folder = Path(name)
        authority = pki.create(folder / "pki")
        made = samples.create(authority, folder / "signed")
        (folder / "tampered").mkdir()
        cases = [case for sample in made for case in _cases(sample, authority, folder / "tampered")]
        tools = sorted({case.tool for case in cases})
        with ThreadPoolExecutor(2) as pool:
            exit_codes = dict(zip(tools, pool.map(lambda tool: _ask(tool, cases, folder), tools)))
    _print_table(made, tools, cases)
    if "--details" in sys.argv:
        for case in cases:
            print(case.tool, case.sample, case.what, case.verdict, case.detail, sep="\t")
    failures = [case for case in cases if not case.as_expected]
    for case in failures:
        print(f"{case.tool}, {case.sample}, {case.what}: {case.verdict or 'no answer'} instead of {' or '.join(case.expected)}: {case.detail}")
    # Every list has rejected files, so 1 is the only right exit code; qpdf is asked about sound files only.
    wrong_codes = {tool: code for tool, code in exit_codes.items() if code != (0 if tool == "qpdf" else 1)}
    for tool, code in wrong_codes.items():
        print(f"{tool} exited with {code}")
    print(f"{len(cases)} questions, {len(failures)} not answered as they must be")
    return 1 if failures or wrong_codes else 0


def _cases(sample, authority, folder):
    if sample.before is not None:
        # The others judge the last alone, or count changes for warnings.
        words = _arguments(sample, authority.root, ("--before", str(sample.before)))
        yield Case("pyhanko", sample.name, "after the one before", ("invalid" if sample.wronged else "valid",), words)
    if sample.wronged:
        return
    changed = list(tamper.every_part(sample, folder)) if _is_first_of_its_kind(sample) else []
    for tool in _TOOLS[sample.format]:
        if tool == "dss-stream" and sample.data is not None:
            continue
        unable = ("n/a",) if (tool, sample.format, sample.algorithm) in _MAY_BE_UNABLE else ()

        def case(what, expected, subject=sample, root=authority.root, extra=()):
            return Case(tool, sample.name, what, (expected, *unable), _arguments(subject, root, extra))

        level = ("--expect", _LEVELS[sample.format]) if sample.format in _LEVELS else ()
        policy = ("--policy", "ed25519") if sample.algorithm == "eddsa" else ()
        yield case("as signed", "valid", extra=(*level, *policy))
        if tool == "qpdf":
            continue
        for part, tampered in changed:
            if not (tool == "dss" and part == tamper.APPENDED):
                yield case(f"changed: {part}", "invalid", subject=tampered, extra=policy)
        if changed and sample.format not in ("plain", "pdf"):
            yield case("unknown root", "invalid", root=authority.stranger, extra=policy)
        if changed and tool in ("dss", "dss-stream") and level:
            yield case("another level expected", "invalid", extra=("--expect", level[1].removesuffix("B") + "T", *policy))
            if policy:
                yield case("Ed25519 under the default policy", "invalid")


def _is_first_of_its_kind(sample):
    return sample.format != "pades" or " report " in sample.name


def _arguments(sample, root, extra):
    words = ["--format", sample.format, "--root", str(root), *sample.options, *extra]
    if sample.data is not None:
        words += ["--detached", str(sample.data)]
    return [*words, str(sample.file)]


def _ask(tool, cases, folder):
    asked = [case for case in cases if case.tool == tool]
    questions = folder / f"{tool}.list"
    questions.write_text("".join("\t".join(case.arguments) + "\n" for case in asked))
    answered = subprocess.run([_HERE / tool, "--batch", questions], stdout=subprocess.PIPE, text=True, check=False)
    for case, line in zip(asked, answered.stdout.splitlines()):
        file, case.verdict, case.detail = line.split("\t")
        if file != case.arguments[-1]:
            case.verdict, case.detail = "error", f"answered for {file}"
    return answered.returncode


def _print_table(made, tools, cases):
    """A cell: the verdict on the sample as signed, then how many of the bad variants were rejected."""
    print(f"{'':32}" + "".join(f"{tool:15}" for tool in tools))
    for sample in made:
        row = f"{sample.name:32}"
        for tool in tools:
            mine = [case for case in cases if case.tool == tool and case.sample == sample.name]
            bad = [case for case in mine if "invalid" in case.expected]
            rejected = sum(case.verdict == "invalid" for case in bad)
            cell = "" if not mine else mine[0].verdict + (f" {rejected}/{len(bad)}" if bad and mine[0].verdict != "n/a" else "")
            row += f"{cell:15}"
        print(row.rstrip())


if __name__ == "__main__":
    sys.exit(main())
