"""Tags in XMP sidecars beside the photos, and out of them again.

In two steps: a plan shows what would change, and `apply_plan` does it, in full or not at all. All
that others wrote is there afterwards as exiv2 reads it; what cannot be kept so is refused.
"""

import errno
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from geograph_types.files.atomic import new_file, sync_folder
from geograph_types.sidecars import SidecarError
from geograph_types.sidecars.document import XmpError, write_xmp
from geograph_types.sidecars.search import place_of_sidecar, sidecar_path
from geograph_types.sidecars.tags import TaggedSidecar

SIZE_LIMIT: Final = 8 * 1024 * 1024
"""Bytes; the largest sidecars, with masks drawn in an editor, have one or two million."""


@dataclass(frozen=True, slots=True)
class SidecarPlan:
    path: Path
    before: bytes | None  # None if there is none
    after: bytes | None  # None if it is to be removed, or not to be made
    added: tuple[str, ...] = ()  # entries such as "dc:subject=Inside"
    removed: tuple[str, ...] = ()
    hidden: Path | None = None  # another sidecar, which programs that look for this one pass over

    @property
    def changes(self) -> bool:
        return self.before != self.after

    def lines(self) -> list[str]:
        """Return what would change, a line for each entry, "+" for what comes in."""
        return [f"- {entry}" for entry in self.removed] + [f"+ {entry}" for entry in self.added]


def plan_tags(photo: Path, tags: tuple[str, ...], without_suffix: bool = False) -> SidecarPlan:
    """Plan to have exactly these tags of ours in a photo's sidecar, in place of earlier ones.

    Tags that the sidecar has from elsewhere are left as they are, and stay when ours are undone. A
    new one is `photo.jpg.xmp`, or `photo.xmp` if it is to be without the photo's suffix.
    """
    try:
        path, hidden = place_of_sidecar(photo, without_suffix)
    except OSError as error:
        raise SidecarError(sidecar_path(photo), f"cannot be found ({error.strerror})") from None
    return _plan(path, tags, hidden)


def plan_undo(path: Path) -> SidecarPlan:
    """Plan to take out what we added to a sidecar; one that was ours alone is removed."""
    return _plan(path, None)


def _plan(path: Path, tags: tuple[str, ...] | None, hidden: Path | None = None) -> SidecarPlan:
    before = _read(path)
    try:
        sidecar = TaggedSidecar(before)
        added = [] if tags is None else sidecar.put(tags)
        same = not sidecar.noted if tags is None else sorted(added) == sorted(sidecar.entries)
        if same:
            return SidecarPlan(path, before, before)
        after = None if sidecar.is_ours else write_xmp(sidecar.properties)
    except XmpError as error:
        raise SidecarError(path, str(error)) from None
    if before is not None:
        _check_changeable(path)
    return SidecarPlan(
        path,
        before,
        after,
        tuple(entry for entry in added if entry not in sidecar.entries),
        tuple(entry for entry in sidecar.entries if entry not in added),
        hidden,
    )


def apply_plan(plan: SidecarPlan) -> None:
    """Write or remove the sidecar, in full or not at all; all that the file system keeps stays."""
    if not plan.changes:
        return
    _check_unchanged(plan)
    target = plan.path.resolve()
    try:
        if plan.after is None:
            target.unlink()
            sync_folder(target.parent)
            return
        with new_file(target) as stream:
            stream.write(plan.after)
            stream.flush()
            os.fsync(stream.fileno())
            if plan.before is not None:
                _take_over(target, stream.fileno())
            # It has taken a slow drive some time to come here, and only a rename is left.
            _check_unchanged(plan)
    except OSError as error:
        raise SidecarError(plan.path, f"cannot be written ({error.strerror})") from None


def _check_changeable(path: Path) -> None:
    """Refuse what is not to be replaced by a new file of its name."""
    status = path.stat()
    if not status.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise SidecarError(path, "is read-only: allow writing to it, or leave its photo out")
    if status.st_nlink > 1:
        raise SidecarError(
            path,
            f"has {status.st_nlink} hard links, of which one alone would change: replace it by a "
            "copy of its own",
        )


def _take_over(old: Path, new: int) -> None:
    """Copy owner, group, extended attributes and access list to the new file."""
    status, now = old.stat(), os.fstat(new)
    try:
        if sys.platform != "win32" and (status.st_uid, status.st_gid) != (now.st_uid, now.st_gid):
            os.fchown(new, status.st_uid, status.st_gid)
        if sys.platform != "linux":  # Python has no such functions elsewhere
            return
        wanted, given = _attributes(old), _attributes(new)
        for name in given.keys() - wanted.keys():  # the folder gives them to every new file
            os.removexattr(new, name)
        for name, value in wanted.items():
            if given.get(name) != value:
                os.setxattr(new, name, value)
    except OSError as error:
        raise SidecarError(
            old,
            f"its owner, group or attributes cannot be kept ({error.strerror}): run this as its "
            "owner",
        ) from None


def _attributes(file: Path | int) -> dict[str, bytes]:
    if sys.platform != "linux":
        return {}
    try:
        return {name: os.getxattr(file, name) for name in os.listxattr(file)}
    except OSError as error:
        if error.errno == errno.ENOTSUP:  # a file system without any, such as a card's
            return {}
        raise


def _check_unchanged(plan: SidecarPlan) -> None:
    if _read(plan.path) != plan.before:
        raise SidecarError(plan.path, "it was changed by someone else meanwhile: run this again")


def _read(path: Path) -> bytes | None:
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise SidecarError(path, f"is larger than {SIZE_LIMIT} bytes, which no sidecar is")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SidecarError(path, f"cannot be read ({error.strerror})") from None
