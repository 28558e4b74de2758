"""What all tools share: their arguments, their answers, their exit codes."""

import argparse
import os
import sys
from dataclasses import dataclass

FORMATS = ("cades", "pades", "xades", "plain", "timestamp", "pdf")
ALGORITHMS = ("rsa-pkcs1", "rsa-pss", "ecdsa", "eddsa", "ml-dsa")
DIGESTS = ("SHA-256", "SHA-384", "SHA-512")


class Missing(Exception):
    """A program this verifier needs is not installed; its text is the program's name."""


# In octets: what is larger takes long to digest.
LARGE = 1 << 28


def compilers(question):
    """Which compilers Java shall have: only the quick one starts soonest, the other one makes digests several times as fast."""
    paths = [question.file, *question.beside]
    return () if any(os.path.getsize(path) >= LARGE for path in paths) else ("-XX:TieredStopAtLevel=1",)


@dataclass(frozen=True)
class Answer:
    """What a tool says of one file, and why."""

    verdict: str
    detail: str

    @classmethod
    def valid(cls, detail):
        return cls("valid", detail)

    @classmethod
    def invalid(cls, detail):
        return cls("invalid", detail)

    @classmethod
    def not_applicable(cls, detail):
        """The tool cannot judge such a file at all, whatever is in it."""
        return cls("n/a", detail)

    @classmethod
    def too_slow(cls, seconds):
        return cls.not_applicable(f"took more than {seconds} seconds of processor time")

    @classmethod
    def error(cls, detail):
        """The question could not be answered; says nothing about the file."""
        return cls("error", detail)

    def one_line(self) -> str:
        return " ".join(self.detail.split())


@dataclass(frozen=True)
class Question:
    """One file and everything needed to judge it."""

    format: str
    roots: tuple
    certificates: tuple
    crls: tuple
    says: tuple
    signers: str | None
    signature_policies: tuple
    beside: tuple
    content: str | None
    expect: str | None
    policy: str
    algorithm: str | None
    digest: str | None
    leaf: str | None
    ecdsa_encoding: str
    before: str | None
    password: str | None
    seconds: int | None
    file: str

    @property
    def detached(self) -> str | None:
        """The only file beside the signature, where there is one."""
        return self.beside[0] if self.beside else None

    def paths(self):
        single = (self.content, self.leaf, self.before, self.file)
        return [*self.roots, *self.certificates, *self.crls, *self.beside, *(path for path in single if path)]


def parse(tool, arguments):
    """Yields the questions in order. A usage error ends the program with 2, before anything is judged."""
    if arguments[:1] == ["--batch"]:
        if len(arguments) != 2:
            _fail(tool, "--batch takes one LIST (- for standard input) and nothing else")
        return [question for line in _lines(tool, arguments[1]) for question in _questions(tool, line.split("\t"))]
    return _questions(tool, arguments)


def exit_code(answers) -> int:
    """0 all valid, 1 some rejected, 2 some unanswered, 3 the tool cannot judge some; 2 outranks 1, 1 outranks 3."""
    verdicts = {answer.verdict for answer in answers}
    for verdict, code in (("error", 2), ("invalid", 1), ("n/a", 3)):
        if verdict in verdicts:
            return code
    return 0


def _lines(tool, path):
    try:
        with sys.stdin if path == "-" else open(path, encoding="utf-8") as lines:
            return [line for line in lines.read().splitlines() if line]
    except OSError as error:
        _fail(tool, f"cannot read the list: {error}")


def _questions(tool, arguments):
    options = _parser(tool).parse_args(arguments)
    if options.format == "plain":
        for name in ("algorithm", "leaf", "detached"):
            if not getattr(options, name):
                _fail(tool, f"--format plain needs --{name}")
        if options.algorithm not in ("eddsa", "ml-dsa") and options.digest is None:
            _fail(tool, f"--algorithm {options.algorithm} needs --digest")
    elif not options.root and options.format != "pdf":
        _fail(tool, f"--format {options.format} needs --root")
    if options.format == "timestamp" and not options.detached:
        _fail(tool, "--format timestamp needs --detached")
    if len(options.detached) > 1 and options.format != "xades":
        _fail(tool, "several --detached are only for --format xades")
    if options.content is not None and options.format != "cades":
        _fail(tool, "--content is only for --format cades")
    for name in ("before", "password"):
        if getattr(options, name) is not None and options.format != "pades":
            _fail(tool, f"--{name} is only for --format pades")
    return [
        Question(
            format=options.format,
            roots=tuple(options.root),
            certificates=tuple(options.cert),
            crls=tuple(options.crl),
            says=tuple(options.says),
            signers=options.signers,
            signature_policies=tuple(options.signature_policy),
            beside=tuple(options.detached),
            content=options.content,
            expect=options.expect,
            policy=options.policy,
            algorithm=options.algorithm,
            digest=options.digest,
            leaf=options.leaf,
            ecdsa_encoding=options.ecdsa_encoding,
            before=options.before,
            password=options.password,
            seconds=options.seconds,
            file=file,
        )
        for file in options.file
    ]


def _parser(tool):
    parser = argparse.ArgumentParser(prog=tool, allow_abbrev=False)
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument("--root", action="append", default=[], metavar="PEM", help="trusted; may be repeated")
    parser.add_argument("--cert", action="append", default=[], metavar="PEM", help="not trusted, may help to build a chain")
    parser.add_argument("--crl", action="append", default=[], metavar="CRL", help="only dss asks for revocation; may be repeated")
    parser.add_argument("--says", action="append", default=[], metavar="NAME=VALUE", help="only dss reads such properties; may be repeated")
    parser.add_argument("--signature-policy", action="append", default=[], metavar="OID=FILE", help="the document of a signature policy; only dss reads it")
    parser.add_argument("--signers", metavar="NUMBER", help="how many signatures, counter-signatures included; only dss counts them")
    parser.add_argument("--detached", action="append", default=[], metavar="DATA", help="what a detached or plain signature or a timestamp covers; of xades several")
    parser.add_argument("--content", metavar="DATA", help="what an encapsulated signature must contain")
    parser.add_argument("--expect", metavar="LEVEL", help="such as CAdES-BASELINE-B, which only dss can name, or PDF/A-2B for verapdf")
    parser.add_argument("--policy", choices=("default", "ed25519", "permissions"), default="default", help="only dss has policies")
    parser.add_argument("--algorithm", choices=ALGORITHMS, help="plain only")
    parser.add_argument("--digest", choices=DIGESTS, help="plain only")
    parser.add_argument("--leaf", metavar="PEM", help="plain only: the certificate whose key made the signature")
    parser.add_argument("--ecdsa-encoding", choices=("der", "fixed"), default="der", help="plain only")
    parser.add_argument("--before", metavar="PDF", help="pades only: the document before its last signature")
    parser.add_argument("--password", metavar="TEXT", help="pades only: opens an encrypted document")
    parser.add_argument("--seconds", type=int, metavar="NUMBER", help="of processor time for one file, before dss and pyhanko say n/a")
    parser.add_argument("file", nargs="+", metavar="FILE")
    return parser


def _fail(tool, message):
    print(f"{tool}: {message}", file=sys.stderr)
    sys.exit(2)
