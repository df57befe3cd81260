"""What goes into a sidecar, and how it is taken out again.

A tag goes into three lists, since every program reads another: `dc:subject` (flat keywords),
`lr:hierarchicalSubject` (Lightroom, darktable) and `digiKam:TagsList`. What was added is noted in
the sidecar itself, in two lists of a namespace of our own:

- `added`: an entry such as "dc:subject=Inside" for every item that was not there before;
- `made`: the lists that were not there before, and "file" where there was no sidecar.

So `take_back` needs no journal elsewhere, works after the photo was moved or renamed, and after
other software has written the sidecar anew, as long as it keeps namespaces that it does not know.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from geograph_types.sidecars.document import RDF, Edit, Element, Name, XmpDocument

OWN_NAMESPACE: Final = "urn:x-geograph-types:sidecar:1#"
OWN_PREFIX: Final = "geographTypes"

ADDED: Final = Name(OWN_NAMESPACE, "added")
MADE: Final = Name(OWN_NAMESPACE, "made")
MADE_FILE: Final = "file"

ITEM: Final = Name(RDF, "li")
ABOUT: Final = (Name(RDF, "about"), Name("", "about"))

EMPTY: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    f' <rdf:RDF xmlns:rdf="{RDF}">\n'
    " </rdf:RDF>\n"
    "</x:xmpmeta>\n"
    '<?xpacket end="w"?>\n'
).encode()
"""A sidecar that says nothing yet."""


class TagList(NamedTuple):
    """A property that lists tags.

    Attributes:
        prefix: by which it is known.
        name: with its namespace.
        kind: "Bag" or "Seq", where it is made.
        before: what stands before the tag's own name.
    """

    prefix: str
    name: Name
    kind: str
    before: str

    @property
    def key(self) -> str:
        """Its name as people write it."""
        return f"{self.prefix}:{self.name.local}"


TAG_LISTS: Final = (
    TagList("dc", Name("http://purl.org/dc/elements/1.1/", "subject"), "Bag", ""),
    TagList(
        "lr",
        Name("http://ns.adobe.com/lightroom/1.0/", "hierarchicalSubject"),
        "Bag",
        "Geograph|Type|",
    ),
    TagList("digiKam", Name("http://www.digikam.org/ns/1.0/", "TagsList"), "Seq", "Geograph/Type/"),
)


def add(data: bytes | None, tags: Sequence[str]) -> tuple[bytes | None, tuple[str, ...]]:
    """Add tags to a sidecar that has none of ours, and note what was added.

    Args:
        data: the sidecar; `None` where there is none.
        tags: final tags, for instance "Inside".

    Returns:
        The sidecar, and the entries that are new in it, such as "dc:subject=Inside". Where all are
        there already it is `data` itself.

    Raises:
        XmpError: it cannot be parsed, or one of the three properties is there and is no list.
    """
    document = XmpDocument.parse(EMPTY if data is None else data)
    edits: list[Edit] = []
    entries: list[str] = []
    made = [MADE_FILE] if data is None else []
    properties: list[str] = []
    for tag_list in TAG_LISTS:
        there = document.find_list(tag_list.name)
        known = set(_items(there))
        items = [tag_list.before + tag for tag in dict.fromkeys(tags)]
        items = [item for item in items if item not in known]
        if not items:
            continue
        entries += [f"{tag_list.key}={item}" for item in items]
        if there is None:
            made.append(tag_list.key)
            prefix = document.prefixes.get(tag_list.name.uri, tag_list.prefix)
            properties.append(_list_text(f"{prefix}:{tag_list.name.local}", tag_list.kind, items))
        else:
            texts = [f"<{there.prefix}li>{escape(i)}</{there.prefix}li>" for i in items]
            edits.append(document.insertion(there, texts))
    if not entries:
        return data, ()
    own = document.prefixes.get(OWN_NAMESPACE, OWN_PREFIX)
    properties.append(_list_text(f"{own}:{ADDED.local}", "Bag", entries))
    if made:
        properties.append(_list_text(f"{own}:{MADE.local}", "Bag", made))
    edits.append(document.insertion(document.rdf, [_description(document, properties)]))
    return document.edited(edits), tuple(entries)


def _list_text(key: str, kind: str, items: Sequence[str]) -> str:
    inner = "".join(f"<rdf:li>{escape(item)}</rdf:li>" for item in items)
    return f"<{key}><rdf:{kind}>{inner}</rdf:{kind}></{key}>"


def _description(document: XmpDocument, properties: Sequence[str]) -> str:
    """Write the element that holds our own properties, about the same thing as the others."""
    attributes = [node.attributes for node in document.descriptions]
    abouts = (found[name] for found in attributes for name in ABOUT if name in found)
    namespaces = {OWN_NAMESPACE: OWN_PREFIX}
    namespaces |= {tag_list.name.uri: tag_list.prefix for tag_list in TAG_LISTS}
    declared = "".join(
        f' xmlns:{document.prefixes.get(uri, prefix)}="{uri}"' for uri, prefix in namespaces.items()
    )
    children = document.rdf.children
    space = document.space_before(children[-1] if children else document.rdf).decode()
    space = space if "\n" in space else ""
    step = space and space + ("  " if not children else " ")
    lines = "".join(step + text for text in properties)
    end = step and step[:-1]
    about = quoteattr(next(abouts, ""))
    return f"<rdf:Description rdf:about={about}{declared}>{lines}{end}</rdf:Description>"


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A sidecar without what we had added.

    Attributes:
        data: the sidecar; `None` where it was ours alone and is to go.
        entries: what was taken out, such as "dc:subject=Inside".
    """

    data: bytes | None
    entries: tuple[str, ...]


def take_back(data: bytes) -> TakenBack:
    """Take out what `add` noted, as far as it is still there, and the note itself.

    Raises:
        XmpError: it cannot be parsed, or one of the properties is there and is no list.
    """
    document = XmpDocument.parse(data)
    noted = _items(document.find_list(ADDED))
    if not noted:
        return TakenBack(data, ())
    made = _items(document.find_list(MADE))
    gone: set[Element] = set()
    entries: list[str] = []
    for tag_list in TAG_LISTS:
        there = document.find_list(tag_list.name)
        if there is None:
            continue
        ours = Counter(e.partition("=")[2] for e in noted if e.partition("=")[0] == tag_list.key)
        nodes = [node for node in there.children if node.name == ITEM]
        # From the end: ours went behind theirs.
        for node in reversed(nodes):
            if ours[node.text.strip()] > 0:
                ours[node.text.strip()] -= 1
                gone.add(node)
                entries.append(f"{tag_list.key}={node.text.strip()}")
        if tag_list.key in made and gone.issuperset(nodes):
            gone.update(document.properties(tag_list.name))
    gone.update(document.properties(ADDED), document.properties(MADE))
    gone.update(node for node in document.descriptions if _is_emptied(node, gone))
    if MADE_FILE in made and gone.issuperset(document.rdf.children):
        return TakenBack(None, tuple(entries))
    outermost = [node for node in gone if not _is_within(node, gone)]
    return TakenBack(document.edited(map(document.removal, outermost)), tuple(entries))


def _items(there: Element | None) -> list[str]:
    return [node.text.strip() for node in there.children if node.name == ITEM] if there else []


def _is_emptied(description: Element, gone: set[Element]) -> bool:
    """Whether all properties of a description go, and there were any."""
    has_attributes = any(name not in ABOUT for name in description.attributes)
    return (
        bool(description.children) and not has_attributes and gone.issuperset(description.children)
    )


def _is_within(node: Element, gone: set[Element]) -> bool:
    """Whether something around an element goes as a whole."""
    around = node.parent
    while around is not None and around not in gone:
        around = around.parent
    return around is not None
