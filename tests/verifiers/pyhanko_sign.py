"""pyHanko makes PAdES signatures of every level, for tests that need signatures of others.

With --batch one order on each line of standard input, separated by tabs, and an answer for each: "done", or "refused" with why.
"""

import argparse
import asyncio
import logging
import sys
from datetime import timedelta

from pyhanko.keys import load_cert_from_pemder, load_certs_from_pemder, load_private_key_from_pemder
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.general import SigningError
from pyhanko.sign.timestamps import HTTPTimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore


def main():
    if sys.argv[1:] != ["--batch"]:
        return sign(order(sys.argv[1:]))
    # Why an order is refused is in the answer.
    logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
    for line in sys.stdin:
        try:
            sign(order(line.rstrip("\n").split("\t")))
            print("done", flush=True)
        except SigningError as refusal:
            print("refused", " ".join(str(refusal).split()), sep="\t", flush=True)


def order(words):
    parser = argparse.ArgumentParser(prog="pyhanko-sign")
    parser.add_argument("--level", choices=("B-B", "B-T", "B-LT", "B-LTA"), required=True)
    parser.add_argument("--key", required=True, metavar="PEM")
    parser.add_argument("--chain", required=True, metavar="PEM", help="the signer's certificate first")
    parser.add_argument("--issuer", required=True, metavar="PEM")
    parser.add_argument("--root", required=True, metavar="PEM")
    parser.add_argument("--tsa", required=True, metavar="URL")
    parser.add_argument("--field", required=True, help="an empty one, else a new one")
    parser.add_argument("--certify", type=int, choices=(1, 2, 3), help="DocMDP level")
    parser.add_argument("--lock", choices=("All", "Include", "Exclude"), help="FieldMDP, of a new field")
    parser.add_argument("--locked", action="append", default=[], metavar="NAME", help="field that --lock names")
    parser.add_argument("--reason")
    parser.add_argument("--ignore-seed-values", action="store_true", help="sign against what the field demands")
    parser.add_argument("--out", required=True)
    parser.add_argument("file")
    return parser.parse_args(words)


def sign(options):
    chain = list(load_certs_from_pemder([options.chain, options.issuer]))
    registry = SimpleCertificateStore.from_certs(chain)
    key = load_private_key_from_pemder(options.key, passphrase=None)
    signer = signers.SimpleSigner(signing_cert=chain[0], signing_key=key, cert_registry=registry)
    level = options.level
    long_term = level in ("B-LT", "B-LTA")
    context = ValidationContext(
        trust_roots=[load_cert_from_pemder(options.root)],
        other_certs=list(load_certs_from_pemder([options.issuer])),
        allow_fetching=True,
        revocation_mode="require",
        # It judges at the moment this context was made; on a busy machine the answers are seconds younger.
        time_tolerance=timedelta(minutes=5),
    )
    metadata = signers.PdfSignatureMetadata(
        field_name=options.field,
        reason=options.reason,
        subfilter=fields.SigSeedSubFilter.PADES,
        md_algorithm="sha256",
        embed_validation_info=long_term,
        use_pades_lta=level == "B-LTA",
        validation_context=context if long_term else None,
        certify=options.certify is not None,
        # Without a certification what the lock of the field says, and no less.
        docmdp_permissions=fields.MDPPerm(options.certify or 3),
    )
    timestamper = HTTPTimeStamper(options.tsa) if level != "B-B" else None
    with open(options.file, "rb") as document:
        writer = IncrementalPdfFileWriter(document)
        if options.lock:
            action = fields.FieldMDPAction(f"/{options.lock}")
            lock = fields.FieldMDPSpec(action, fields=options.locked or None)
            fields.append_signature_field(writer, fields.SigFieldSpec(options.field, field_mdp_spec=lock))
        pdf_signer = signers.PdfSigner(metadata, signer, timestamper=timestamper)
        pdf_signer._ignore_sv = options.ignore_seed_values
        signed = asyncio.run(pdf_signer.async_sign_pdf(writer))
    with open(options.out, "wb") as out:
        out.write(signed.getbuffer())


if __name__ == "__main__":
    main()
