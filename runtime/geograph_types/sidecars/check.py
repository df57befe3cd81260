"""A second opinion on XMP from the library that photo software uses; the only importer of exiv2.

The edits of `xmp_tags` change spans of text. Before a sidecar is written, exiv2 reads it as it was
and as it will be, and the two must differ in exactly the items that were meant.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from geograph_types.errors import MissingExtraError
from geograph_types.sidecars.document import XmpError
from geograph_types.sidecars.tags import OWN_NAMESPACE, OWN_PREFIX, TAG_LISTS

try:
    import exiv2
except ModuleNotFoundError:
    raise MissingExtraError("exiv2", "xmp") from None

XmpValues: TypeAlias = Mapping[str, tuple[str, ...]]
"""By exiv2's keys: kind of value, then the value, or each item of a list."""

LIST_KINDS: Final = ("XmpBag", "XmpSeq", "XmpAlt")
OWN_KEYS: Final = f"Xmp.{OWN_PREFIX}."
TAG_KEYS: Final = {f"Xmp.{tag_list.prefix}.{tag_list.name.local}" for tag_list in TAG_LISTS}

# The toolkit within exiv2 keeps its namespaces for the whole process, without a lock.
LOCK: Final = threading.Lock()

# What it has to say is in the outcome; on its own it would write to standard error.
exiv2.LogMsg.setLevel(exiv2.LogMsg.Level.mute)

for known in TAG_LISTS:
    if not exiv2.XmpProperties.prefix(known.name.uri):
        exiv2.XmpProperties.registerNs(known.name.uri, known.prefix)
exiv2.XmpProperties.registerNs(OWN_NAMESPACE, OWN_PREFIX)


def read_xmp(packet: bytes) -> XmpValues:
    """Read all properties of an XMP packet in UTF-8.

    Returns:
        The properties; none where exiv2 cannot parse the packet.

    Raises:
        XmpError: exiv2 does not take it for XMP.
    """
    with LOCK:
        try:
            image = exiv2.ImageFactory.open(packet)
            image.readMetadata()
            return {datum.key(): _value(datum) for datum in image.xmpData()}
        except exiv2.Exiv2Error as error:
            raise XmpError(f"exiv2 does not read it ({error.message})") from None


def _value(datum: "exiv2.Xmpdatum") -> tuple[str, ...]:
    kind = datum.typeName()
    if kind in LIST_KINDS:
        return (kind, *(datum.toString(index) for index in range(datum.count())))
    return (kind, str(datum.value()))


def check_difference(less: bytes, more: bytes, entries: Iterable[str]) -> None:
    """Make sure that `more` says what `less` says and the entries, and nothing else.

    Args:
        less: an XMP packet.
        more: a packet to which `entries` and our own note were added.
        entries: such as "dc:subject=Inside".

    Raises:
        XmpError: there is another difference, or exiv2 reads no properties at all.
    """
    values = read_xmp(more)
    if not values:
        raise XmpError("exiv2, and photo software with it, cannot parse it")
    expected, found = _countable(read_xmp(less)), _countable(values)
    for entry in entries:
        key, _, item = entry.partition("=")
        expected[f"Xmp.{key.replace(':', '.')}", item] += 1
    if expected != found:
        keys = {key for key, _ in (expected - found) + (found - expected)}
        raise XmpError(f"exiv2 reads {', '.join(sorted(keys))} otherwise than it should")


def _countable(values: XmpValues) -> Counter[tuple[str, str]]:
    """Count items of the tag lists, whose order we may change, and all else as a whole."""
    counts: Counter[tuple[str, str]] = Counter()
    for key, (kind, *items) in values.items():
        if key in TAG_KEYS and kind in LIST_KINDS:
            counts.update((key, item) for item in items)
        elif not key.startswith(OWN_KEYS):
            counts[key, repr((kind, *items))] += 1
    return counts
