"""Tags in XMP sidecars beside the photos, `photo.jpg.xmp`, and out of them again.

In two steps: a plan says what would change, and `apply_plan` does it, in full or not at all. What
is already in a sidecar stays as it is, byte for byte; a text that is no XMP is refused.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from geograph_types.files.atomic import new_file, sync_folder
from geograph_types.sidecars import SidecarError
from geograph_types.sidecars.check import check_difference
from geograph_types.sidecars.document import XmpDocument, XmpError
from geograph_types.sidecars.tags import EMPTY, TakenBack, add, take_back

SIZE_LIMIT: Final = 8 * 1024 * 1024
"""Bytes; the largest sidecars, with masks drawn in an editor, have one or two million."""


@dataclass(frozen=True, slots=True)
class SidecarPlan:
    """What is to become of one sidecar.

    Attributes:
        path: the sidecar.
        before: its bytes; `None` where there is none.
        after: what they become; `None` where it is to be removed, or not to be made.
        added: entries that come in, such as "dc:subject=Inside".
        removed: entries that go out.
    """

    path: Path
    before: bytes | None
    after: bytes | None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after

    def lines(self) -> list[str]:
        """Return what would change, a line for each entry, "+" for what comes in."""
        return [f"- {entry}" for entry in self.removed] + [f"+ {entry}" for entry in self.added]


def sidecar_path(photo: Path) -> Path:
    """Name the sidecar of a photo: its whole name, and `.xmp` behind it."""
    return photo.with_name(photo.name + ".xmp")


def plan_tags(photo: Path, tags: tuple[str, ...]) -> SidecarPlan:
    """Plan to have exactly these tags of ours in a photo's sidecar, in place of earlier ones.

    Tags that the sidecar has from elsewhere are left as they are, and stay when ours are undone.

    Raises:
        SidecarError: the sidecar is there and cannot be read, or is no XMP.
    """
    path = sidecar_path(photo)
    before = _read(path)
    try:
        bare = _taken_back(before)
        after, added = add(bare.data, tags) if tags else (bare.data, ())
        if after is not None and added:
            _check(bare.data, after, added)
    except XmpError as error:
        raise SidecarError(path, str(error)) from None
    if sorted(added) == sorted(bare.entries):
        return SidecarPlan(path, before, before)
    return SidecarPlan(
        path,
        before,
        after,
        tuple(entry for entry in added if entry not in bare.entries),
        tuple(entry for entry in bare.entries if entry not in added),
    )


def plan_undo(path: Path) -> SidecarPlan:
    """Plan to take out what we added to a sidecar; one that was ours alone is removed.

    Raises:
        SidecarError: the sidecar is there and cannot be read, or is no XMP.
    """
    before = _read(path)
    try:
        bare = _taken_back(before)
    except XmpError as error:
        raise SidecarError(path, str(error)) from None
    return SidecarPlan(path, before, bare.data, removed=bare.entries)


def apply_plan(plan: SidecarPlan) -> None:
    """Write or remove the sidecar, in full or not at all; its permissions and links stay.

    Raises:
        SidecarError: it has changed since it was planned, or cannot be written.
    """
    if not plan.changes:
        return
    _check_unchanged(plan)
    try:
        target = plan.path.resolve()
        if plan.after is None:
            target.unlink()
            sync_folder(target.parent)
            return
        mode = target.stat().st_mode if plan.before is not None else None
        with new_file(target) as stream:
            stream.write(plan.after)
            stream.flush()
            os.fsync(stream.fileno())
            # It has taken a slow drive some time to come here, and only a rename is left.
            _check_unchanged(plan)
        if mode is not None:
            target.chmod(mode & 0o7777)
    except OSError as error:
        raise SidecarError(plan.path, f"cannot be written ({error.strerror})") from None


def _check_unchanged(plan: SidecarPlan) -> None:
    if _read(plan.path) != plan.before:
        raise SidecarError(plan.path, "it was changed by someone else meanwhile: run this again")


def _taken_back(before: bytes | None) -> TakenBack:
    if before is None:
        return TakenBack(None, ())
    bare = take_back(before)
    if bare.data != before:
        _check(bare.data, before, bare.entries)
    return bare


def _check(less: bytes | None, more: bytes, entries: tuple[str, ...]) -> None:
    without = XmpDocument.parse(EMPTY if less is None else less)
    check_difference(without.packet, XmpDocument.parse(more).packet, entries)


def _read(path: Path) -> bytes | None:
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise SidecarError(path, f"is larger than {SIZE_LIMIT} bytes, which no sidecar is")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SidecarError(path, f"cannot be read ({error.strerror})") from None
