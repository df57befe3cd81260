"""What goes into a sidecar, and how it is taken out again.

A tag goes into three lists, since every program reads another: `dc:subject` (flat keywords),
`lr:hierarchicalSubject` (Lightroom, darktable) and `digiKam:TagsList`. What was added is noted in
the sidecar itself, in two lists of a namespace of our own:

- `added`: an entry such as "dc:subject=Inside" for every item that was not there before; if the
  item is gone, somebody took it out, and it is not added again;
- `made`: the lists that were not there before, and "file" if there was no sidecar.

So undoing needs no journal elsewhere, and works after the photo was moved or renamed, or other
software has written the sidecar again, as long as it keeps namespaces that it does not know.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from geograph_types.sidecars.document import (
    EMPTY,
    OWN_PREFIX,
    read_list,
    read_xmp,
    values,
    write_list,
)

ADDED: Final = f"Xmp.{OWN_PREFIX}.added"
MADE: Final = f"Xmp.{OWN_PREFIX}.made"
MADE_FILE: Final = "file"


class TagList(NamedTuple):
    """A property that lists tags."""

    name: str  # as in the note
    kind: str  # of a new one
    before: str  # what precedes the tag's own name

    @property
    def key(self) -> str:
        return f"Xmp.{self.name.replace(':', '.')}"


TAG_LISTS: Final = (
    TagList("dc:subject", "XmpBag", ""),
    TagList("lr:hierarchicalSubject", "XmpBag", "Geograph|Type|"),
    TagList("digiKam:TagsList", "XmpSeq", "Geograph/Type/"),
)


class TaggedSidecar:
    """The properties of a sidecar without our tags and note, which are taken out here."""

    def __init__(self, data: bytes | None) -> None:
        self.properties = read_xmp(EMPTY.encode() if data is None else data)
        self.noted = Counter(read_list(self.properties, ADDED) or [])
        made = read_list(self.properties, MADE) or []
        self.made_file = data is None or MADE_FILE in made
        self.entries = [e for tags in TAG_LISTS for e in self._take_out(tags, made)]
        self.declined = list((self.noted - Counter(self.entries)).elements())
        for key in (ADDED, MADE):
            if key in self.properties:
                del self.properties[key]

    @property
    def is_ours(self) -> bool:
        """Whether we made the sidecar, and nothing is left in it."""
        return self.made_file and not values(self.properties)

    def _take_out(self, tags: TagList, made: list[str]) -> list[str]:
        """Take our items out of a list, and return their entries."""
        left = Counter(self.noted)
        kept: list[str] = []
        entries: list[str] = []
        # From the end: ours went behind theirs.
        for item in reversed(read_list(self.properties, tags.key) or []):
            entry = f"{tags.name}={item.strip()}"
            if left[entry] > 0:
                left[entry] -= 1
                entries.append(entry)
            else:
                kept.insert(0, item)
        if entries:
            write_list(self.properties, tags.key, kept)
        if tags.key in self.properties and tags.name in made and not kept:
            del self.properties[tags.key]
        return entries

    def put(self, tags: Sequence[str]) -> list[str]:
        """Add tags and the note, but for what is there in any case or was declined."""
        added: list[str] = []
        made = [MADE_FILE] if self.made_file else []
        for tag_list in TAG_LISTS:
            there = read_list(self.properties, tag_list.key)
            known = {item.strip().casefold() for item in there or []}
            items = [tag_list.before + tag for tag in dict.fromkeys(tags)]
            new = [
                item
                for item in items
                if item.casefold() not in known and f"{tag_list.name}={item}" not in self.declined
            ]
            if new:
                write_list(self.properties, tag_list.key, [*(there or []), *new], tag_list.kind)
                added += [f"{tag_list.name}={item}" for item in new]
                made += [] if there is not None else [tag_list.name]
        if added or self.declined:
            write_list(self.properties, ADDED, [*added, *self.declined])
            if made:
                write_list(self.properties, MADE, made)
        return added
