"""What a tool must know of a signed XML file before it is asked: how many signatures, with what algorithms."""

from lxml import etree

DS = "http://www.w3.org/2000/09/xmldsig#"


def read(path):
    """The ds:Signature elements, or None when the file is no XML: then the tool itself shall say so."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        return list(etree.parse(path, parser).iter(f"{{{DS}}}Signature"))
    except (etree.XMLSyntaxError, OSError):
        return None


def algorithm(signature) -> str:
    """The URI of the signature method."""
    method = signature.find(f"{{{DS}}}SignedInfo/{{{DS}}}SignatureMethod")
    return "" if method is None else method.get("Algorithm", "")


def references(signature) -> int:
    return len(signature.findall(f"{{{DS}}}SignedInfo/{{{DS}}}Reference"))


def transforms(signature):
    """The URIs of all transforms of all references."""
    return [each.get("Algorithm", "") for each in signature.iterfind(f"{{{DS}}}SignedInfo/{{{DS}}}Reference/{{{DS}}}Transforms/{{{DS}}}Transform")]


def has_instruction_beside_root(signature) -> bool:
    """Whether a processing instruction stands before or after the root, where URI="" covers it (XML Signature, section 4.4.3.2)."""
    root = signature.getroottree().getroot()
    beside = [*root.itersiblings(preceding=True), *root.itersiblings()]
    return any(node.tag is etree.ProcessingInstruction for node in beside)
