"""What a tool must know of a CMS before it is asked: how it is signed and whether it carries its content."""

from asn1crypto import cms


def signed_data(der: bytes):
    """The SignedData, or None when these bytes are none: then the tool itself shall say so."""
    try:
        content_info = cms.ContentInfo.load(der, strict=True)
        if content_info["content_type"].native != "signed_data":
            return None
        parsed = content_info["content"]
        # asn1crypto parses as late as it can; this forces it, so that broken bytes are found here.
        for name in ("version", "digest_algorithms", "encap_content_info", "certificates"):
            parsed[name].native
        for signer in parsed["signer_infos"]:
            # Not the unsigned attributes: of those it does not know, it cannot make native values.
            for name in ("version", "sid", "digest_algorithm", "signed_attrs", "signature_algorithm", "signature"):
                signer[name].native
        return parsed
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def uses_eddsa(der: bytes) -> bool:
    parsed = signed_data(der)
    if parsed is None:
        return False
    names = {signer["signature_algorithm"]["algorithm"].native for signer in parsed["signer_infos"]}
    return bool(names & {"ed25519", "ed448"})


def is_encapsulated(der: bytes) -> bool:
    parsed = signed_data(der)
    return parsed is not None and parsed["encap_content_info"]["content"].native is not None
