"""signxml makes enveloped XAdES signatures of level B-B, for tests that need signatures of others."""

import argparse
import re
from pathlib import Path

from lxml import etree
from signxml.xades import XAdESDataObjectFormat, XAdESSigner


def main():
    parser = argparse.ArgumentParser(prog="signxml-sign")
    parser.add_argument("--key", required=True, metavar="PEM")
    parser.add_argument("--chain", required=True, metavar="PEM", help="the signer's certificate first")
    parser.add_argument("--algorithm", required=True, help="such as rsa-sha256")
    parser.add_argument("--out", required=True)
    parser.add_argument("file")
    options = parser.parse_args()

    certificates = re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", Path(options.chain).read_text(), re.S)
    form = XAdESDataObjectFormat(Description="a document", MimeType="application/xml")
    signer = XAdESSigner(data_object_format=form, signature_algorithm=options.algorithm, digest_algorithm="sha256")
    root = etree.fromstring(Path(options.file).read_bytes())
    signed = signer.sign(root, key=Path(options.key).read_bytes(), cert=certificates)
    Path(options.out).write_bytes(etree.tostring(signed, xml_declaration=True, encoding="UTF-8"))


if __name__ == "__main__":
    main()
