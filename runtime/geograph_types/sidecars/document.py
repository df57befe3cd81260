"""XMP as exiv2 reads and writes it, as digiKam and darktable do; the only importer of exiv2."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Final, TypeAlias

from geograph_types.errors import InputError, MissingExtraError

try:
    import exiv2
except ModuleNotFoundError:
    raise MissingExtraError("exiv2", "xmp") from None

Properties: TypeAlias = "exiv2.XmpData"
Values: TypeAlias = dict[str, tuple[str, ...]]
"""By exiv2's keys, such as "Xmp.dc.subject": type, then the value, or each item of a list."""

OWN_NAMESPACE: Final = "urn:x-geograph-types:sidecar:1#"
OWN_PREFIX: Final = "geographTypes"

HEADER: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
EMPTY: Final = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>\n'
    "</x:xmpmeta>\n"
)
PACKET: Final = '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'

PARSED: Final = f"Xmp.{OWN_PREFIX}.parsed"
"""Put into what exiv2 reads, since it reports no properties at all where it cannot parse."""

DEEPEST: Final = 100
"""Levels of elements; editors' masks have some 20, and exiv2 recurses."""

LISTS: Final = {
    "XmpBag": exiv2.TypeId.xmpBag,
    "XmpSeq": exiv2.TypeId.xmpSeq,
    "XmpAlt": exiv2.TypeId.xmpAlt,
}
EMPTY_TEXTS: Final = ("", 'lang="x-default" ')

# What it reports is in the outcome; on its own it would write to standard error.
exiv2.LogMsg.setLevel(exiv2.LogMsg.Level.mute)
exiv2.XmpProperties.registerNs(OWN_NAMESPACE, OWN_PREFIX)


class XmpError(InputError):
    """A text that is not XMP, or that exiv2 cannot write without loss."""


def read_xmp(data: bytes) -> Properties:
    """Read a sidecar in any encoding, of any root around `rdf:RDF`."""
    before, closing, after = _normalised(data).rpartition("</rdf:RDF>")
    if not closing:
        raise XmpError("it is XML without rdf:RDF, not XMP: move the file away, or repair it")
    mark = (
        f'<rdf:Description xmlns:{OWN_PREFIX}="{OWN_NAMESPACE}" {OWN_PREFIX}:parsed="1">'
        "</rdf:Description>"
    )
    properties = _parsed(PACKET + before + mark + closing + after)
    if PARSED not in properties:
        raise XmpError("exiv2, and photo software with it, cannot parse it")
    del properties[PARSED]
    return properties


def write_xmp(properties: Properties) -> bytes:
    """Return the sidecar, if exiv2 finds every property in it when it reads it back."""
    flags = exiv2.XmpParser.XmpFormatFlags
    layout = int(flags.omitPacketWrapper | flags.useCompactFormat)
    try:
        _, packet = exiv2.XmpParser.encode(properties, layout)
    except exiv2.Exiv2Error as error:
        raise XmpError(f"exiv2 cannot write it ({error.message})") from None
    text = HEADER + (packet or EMPTY)
    lost = values(properties).items() ^ values(_parsed(text)).items()
    if lost:
        keys = ", ".join(sorted({key for key, _ in lost}))
        raise XmpError(f"exiv2 cannot write its {keys} without loss")
    return text.encode()


def values(properties: Properties) -> Values:
    """Return all properties but titles and the like that are empty, which exiv2 does not write."""
    found: Values = {}
    for datum in properties:
        kind, texts = datum.typeName(), (str(datum.value()),)
        if kind in LISTS:
            texts = tuple(datum.toString(index) for index in range(datum.count()))
        if kind != "LangAlt" or texts[0] not in EMPTY_TEXTS:
            found[datum.key()] = (kind, *texts)
    return found


def read_list(properties: Properties, key: str) -> list[str] | None:
    """Return the items of a list; a property that is empty is an empty list."""
    if key not in properties:
        return None
    datum = properties[key]
    if datum.typeName() in LISTS:
        return [datum.toString(index) for index in range(datum.count())]
    if str(datum.value()):
        raise XmpError(f"its {key} is not a list: save it again with the software that wrote it")
    return []


def write_list(properties: Properties, key: str, items: list[str], kind: str = "XmpBag") -> None:
    """Put a list in the place of what is there, of the same kind; `kind` is for a new one."""
    known = properties[key].typeName() if key in properties else kind
    properties[key] = exiv2.XmpArrayValue(items, LISTS.get(known, LISTS[kind]))


def _parsed(text: str) -> Properties:
    try:
        image = exiv2.ImageFactory.open(text.encode())
        image.readMetadata()
    except exiv2.Exiv2Error as error:
        raise XmpError(f"exiv2 does not read it ({error.message})") from None
    return image.xmpData()


class _Writer(ElementTree.C14NWriterTarget):
    """Writes XML as it is read, without comments, and refuses what could grow without end."""

    depth = 0

    def start(self, tag: str, attrs: Mapping[str, str]) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise XmpError(f"its elements are nested more than {DEEPEST} deep")
        super().start(tag, attrs)

    def end(self, tag: str) -> None:
        self.depth -= 1
        super().end(tag)

    def doctype(self, *_: object) -> None:
        raise XmpError("it has a document type, which XMP does not allow")


def _normalised(data: bytes) -> str:
    """Return well-formed XML in any encoding as text without a declaration."""
    parts: list[str] = []
    parser = ElementTree.XMLParser(target=_Writer(parts.append))
    try:
        parser.feed(data)
        parser.close()
    except (ElementTree.ParseError, LookupError, UnicodeError) as error:
        raise XmpError(f"it is not well-formed XML ({error})") from None
    return "".join(parts)
