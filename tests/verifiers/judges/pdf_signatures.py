"""Take the signatures out of a PDF by its bytes alone: no PDF library, so none can be lenient for us.

Signature dictionaries are never compressed, because /ByteRange must be patched into them (ISO 32000-2, 12.8.1).
"""

import re
from dataclasses import dataclass

_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")


class Malformed(Exception):
    """The byte ranges of the PDF cannot be what a signer wrote; the text says what is wrong."""


@dataclass(frozen=True)
class PdfSignature:
    """One signature: its CMS and the bytes it covers."""

    cms: bytes
    covered: bytes


def extract(pdf: bytes) -> list:
    """All signatures in the order they were added; the last must cover the file to its end."""
    ranges = _ranges(pdf)
    last = ranges[-1]
    if last[2] + last[3] != len(pdf):
        raise Malformed(f"the last signature ends at {last[2] + last[3]}, the file at {len(pdf)}")
    return [_signature(pdf, byte_range) for byte_range in ranges]


def last_end(pdf: bytes) -> int:
    """Where the last of the byte ranges ends."""
    return sum(_ranges(pdf)[-1][2:])


def _ranges(pdf):
    ranges = sorted((tuple(map(int, match.groups())) for match in _BYTE_RANGE.finditer(pdf)), key=lambda r: r[2] + r[3])
    if not ranges:
        raise Malformed("no /ByteRange")
    return ranges


def _signature(pdf, byte_range):
    start, before, after_gap, after = byte_range
    gap = pdf[before:after_gap]
    if start != 0 or after_gap + after > len(pdf):
        raise Malformed(f"byte range {byte_range} does not lie in the file from its start")
    if not re.fullmatch(rb"<[0-9A-Fa-f]*>", gap) or len(gap) % 2:
        raise Malformed(f"the gap of byte range {byte_range} is not one hexadecimal string with its brackets")
    return PdfSignature(_without_padding(bytes.fromhex(gap[1:-1].decode("ascii"))), pdf[:before] + pdf[after_gap : after_gap + after])


def _without_padding(padded: bytes) -> bytes:
    if len(padded) < 2 or padded[0] != 0x30 or padded[1] == 0x80:
        raise Malformed("/Contents is not a DER sequence")
    if padded[1] < 0x80:
        end = 2 + padded[1]
    else:
        octets = padded[1] & 0x7F
        end = 2 + octets + int.from_bytes(padded[2 : 2 + octets], "big")
    if end > len(padded) or any(padded[end:]):
        raise Malformed("/Contents is not one DER value padded with zeros")
    return padded[:end]
