"""XMP text as a tree that remembers where in the text each element lies.

Editing XMP by parsing and writing it anew loses what the writer does not know: comments, layout,
padding, qualifiers, the order of things. Here the text stays as it is, and an edit replaces spans
of it. This module knows XML and RDF's lists; what goes into them is up to `xmp_tags`.
"""

import codecs
import re
import xml.parsers.expat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from geograph_types.errors import InputError


class XmpError(InputError):
    """A text that is no XMP, or that cannot be edited without loss."""


RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
LISTS: Final = ("Bag", "Seq", "Alt")

BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
DECLARED: Final = re.compile(rb"<\?xml\s[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
TAG: Final = re.compile(rb"<(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")
SPACE_BEFORE: Final = re.compile(rb"[ \t\r\n]*\Z")


class Name(NamedTuple):
    """A name of XML: namespace and what comes behind the colon."""

    uri: str
    local: str


class Edit(NamedTuple):
    """Bytes of the text from `start` up to `end` become `text`."""

    start: int
    end: int
    text: bytes


@dataclass(slots=True, eq=False)
class Element:
    """An element and its place, in bytes of the text as UTF-8.

    Attributes:
        name: with its namespace.
        prefix: as written, with the colon; empty in the default namespace.
        attributes: by name; declarations of namespaces are not among them.
        parent: the element around it.
        start: where its first tag begins.
        inner: where its first tag ends.
        close: where its last tag begins; `inner` where there is none, as in `<a/>`.
        end: where it ends.
        children: elements directly in it.
        text: characters directly in it.
    """

    name: Name
    prefix: str
    attributes: Mapping[Name, str]
    parent: "Element | None"
    start: int
    inner: int
    close: int = 0
    end: int = 0
    children: list["Element"] = field(default_factory=list)
    text: str = ""

    @property
    def is_closed_at_once(self) -> bool:
        """Whether it is written with a single tag, as `<a/>`."""
        return self.close == self.end


@dataclass(frozen=True, slots=True)
class XmpDocument:
    """A parsed text.

    Attributes:
        text: all of it, in UTF-8.
        encoding: that of the file.
        rdf: the element `rdf:RDF`.
        prefixes: by namespace, as first declared; many programs cannot read a text that has two
            for one namespace.
    """

    text: bytes
    encoding: str
    rdf: Element
    prefixes: Mapping[str, str]

    @classmethod
    def parse(cls, data: bytes) -> "XmpDocument":
        """Parse a file in any encoding that XML allows.

        Raises:
            XmpError: this is no well-formed XML, has a document type, or holds no `rdf:RDF` by
                that prefix.
        """
        text, encoding = _decode(data)
        root, prefixes = _parse(text)
        for element in (root, *root.children):
            if element.name == Name(RDF, "RDF"):
                if element.prefix != "rdf:":
                    raise XmpError(
                        "its RDF has a prefix other than rdf, which programs cannot read"
                    )
                return cls(text, encoding, element, prefixes)
        raise XmpError("this is XML without rdf:RDF, not XMP: move the file away, or mend it")

    @property
    def packet(self) -> bytes:
        """The outermost element alone in UTF-8, as an XMP packet."""
        root = self.rdf.parent or self.rdf
        begin = b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        return begin + self.text[root.start : root.end] + b'<?xpacket end="w"?>'

    @property
    def descriptions(self) -> list[Element]:
        """The elements that hold the properties."""
        return [node for node in self.rdf.children if node.name == Name(RDF, "Description")]

    def properties(self, name: Name) -> Iterator[Element]:
        """Find properties of that name, at the top and not within others."""
        for description in self.descriptions:
            yield from (node for node in description.children if node.name == name)

    def find_list(self, name: Name) -> Element | None:
        """Find the Bag, Seq or Alt that a property holds; `None` where there is no such property.

        Raises:
            XmpError: the property is there, and is no list.
        """
        holders = list(self.properties(name))
        plain = any(name in description.attributes for description in self.descriptions)
        if not holders and not plain:
            return None
        nodes = holders[0].children if len(holders) == 1 and not plain else []
        if len(nodes) != 1 or nodes[0].name.uri != RDF or nodes[0].name.local not in LISTS:
            raise XmpError(
                f"its {name.local} is not a list: save it again with the software that wrote it"
            )
        return nodes[0]

    def space_before(self, element: Element) -> bytes:
        """Return the white space directly before an element."""
        match = SPACE_BEFORE.search(self.text, 0, element.start)
        return match[0] if match else b""

    def insertion(self, parent: Element, added: Iterable[str]) -> Edit:
        """Put elements behind the last child, each on a line of its own if that child has one."""
        if parent.children:
            place, space = parent.children[-1].end, self.space_before(parent.children[-1])
        else:
            place, space = parent.inner, self.space_before(parent)
            space = space + b" " if b"\n" in space else b""
        text = b"".join(space + element.encode() for element in added)
        if not parent.is_closed_at_once:
            return Edit(place, place, text)
        opened = self.text[parent.start : parent.inner - 2] + b">"
        closing = f"</{parent.prefix}{parent.name.local}>".encode()
        return Edit(parent.start, parent.end, opened + text + closing)

    def removal(self, element: Element) -> Edit:
        """Take an element away, with the white space before it: what `insertion` put there."""
        return Edit(element.start - len(self.space_before(element)), element.end, b"")

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """Write the file with edits that do not overlap, in its own encoding."""
        text = self.text
        for edit in sorted(edits, reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return text.decode().encode(self.encoding, errors="xmlcharrefreplace")


def qualified(name: str) -> Name:
    """Split a name as expat gives it: "namespace local prefix", or fewer of them."""
    parts = name.split(" ")
    return Name(parts[0], parts[1]) if len(parts) > 1 else Name("", name)


def _decode(data: bytes) -> tuple[bytes, str]:
    """Turn a file into UTF-8, and give the encoding in which exactly its bytes come back."""
    declared = DECLARED.match(data.removeprefix(codecs.BOM_UTF8))
    otherwise = declared[1].decode() if declared else "utf-8"
    marked = (encoding for mark, encoding in BYTE_ORDER_MARKS if data.startswith(mark))
    encoding = next(marked, otherwise)
    try:
        text = data.decode(encoding)
        if text.encode(encoding) != data:
            raise XmpError(f"it is not really in {encoding}, as it says")
        return text.encode(), encoding
    except (LookupError, UnicodeError) as error:
        raise XmpError(f"its characters cannot be read ({error})") from None


def _parse(text: bytes) -> tuple[Element, Mapping[str, str]]:
    """Build the tree, and note the prefixes of namespaces.

    Raises:
        XmpError: this is no well-formed XML, or has a document type, which XMP does not allow and
            which could make a small file grow without end.
    """
    parser = xml.parsers.expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
    parser.namespace_prefixes = True
    parser.buffer_text = True
    stack: list[Element] = []
    roots: list[Element] = []
    prefixes: dict[str, str] = {}

    def namespace(prefix: str | None, uri: str | None) -> None:
        if prefix and uri:
            prefixes.setdefault(uri, prefix)

    def start(name: str, attributes: dict[str, str]) -> None:
        index = parser.CurrentByteIndex
        tag = TAG.match(text, index)
        if tag is None:
            raise XmpError(f"a tag at byte {index} cannot be found")
        prefix = name.split(" ")[2] + ":" if name.count(" ") == 2 else ""
        names = {qualified(key): value for key, value in attributes.items()}
        parent = stack[-1] if stack else None
        element = Element(qualified(name), prefix, names, parent, index, tag.end())
        (parent.children if parent else roots).append(element)
        stack.append(element)

    def end(_: str) -> None:
        element = stack.pop()
        element.close = element.end = element.inner
        if not text.endswith(b"/>", element.start, element.inner):
            element.close = parser.CurrentByteIndex
            element.end = text.index(b">", element.close) + 1

    def characters(some: str) -> None:
        stack[-1].text += some

    def doctype(*_: object) -> None:
        raise XmpError("it has a document type, which XMP does not allow")

    parser.StartNamespaceDeclHandler = namespace
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text, True)
    except xml.parsers.expat.ExpatError as error:
        raise XmpError(f"it is no well-formed XML ({error})") from None
    return roots[0], prefixes
