"""Open a model bundle, trusting nothing that its manifest does not vouch for.

Digests prove that a file is the one that the manifest names. They do not prove who made the
bundle: whoever can change a file can change the manifest with it.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

import msgspec

from geograph_types.errors import BundleError, InputError
from geograph_types.manifest import BundleFile, Manifest, Precision, Role, decode_manifest

__all__ = ["MANIFEST_NAME", "Bundle"]

MANIFEST_NAME: Final = "manifest.json"
MANIFEST_LIMIT: Final = 1 << 20
"""Bytes; a manifest is a few kilobytes."""
NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""Flags that only some systems have: do not follow links, do not translate line ends."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: its manifest holds, and its folder holds those files and no others.

    Attributes:
        root: the folder.
        manifest: what it says.
    """

    root: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: "str | PathLike[str] | Bundle") -> "Bundle":
        """Open a bundle without reading its models.

        Raises:
            BundleError: missing, a manifest that is damaged or for another contract, or files that
                are missing, unknown, linked, or of another size.
        """
        if isinstance(path, Bundle):
            return path
        if not isinstance(path, str | PathLike):
            raise InputError(f"a bundle is a folder's path, not {type(path).__name__}")
        root = Path(path)
        if root.is_file():
            raise BundleError(root, "is a file: a bundle is a folder with a manifest.json")
        if not root.is_dir():
            raise BundleError(
                root,
                "there is no such folder; make one with "
                "'geograph-types export encoder --bundle DIR'",
            )
        data = _read_regular(root, MANIFEST_NAME, MANIFEST_LIMIT)
        try:
            manifest = decode_manifest(data)
        except msgspec.DecodeError as error:
            raise BundleError(root, f"{MANIFEST_NAME} is refused: {error}") from None
        bundle = cls(root, manifest)
        bundle._check_listing()
        return bundle

    def _check_listing(self) -> None:
        named = {file.path for file in self.manifest.files} | {MANIFEST_NAME}
        present = {entry.name for entry in os.scandir(self.root)}
        for problem, names in (("missing", named - present), ("unknown", present - named)):
            if names:
                advice = "remove it" if names <= present else "export or copy the bundle again"
                raise BundleError(self.root, f"{problem} file {min(names)}; {advice}")
        for file in self.manifest.files:
            size = _check_regular(self.root / file.path)
            if size != file.size:
                raise BundleError(
                    self.root / file.path,
                    f"{size} bytes instead of {file.size}; export or copy the bundle again",
                )

    def find(self, role: Role, precision: Precision | None = None) -> BundleFile:
        """Give the file of a role.

        Raises:
            BundleError: the bundle has none.
        """
        file = self.manifest.find(role, precision)
        if file is None:
            kind = role if precision is None else f"{precision} {role}"
            option = f" --precision {precision}" if precision not in (None, "fp32") else ""
            command = "head RUN" if role == "head" else f"encoder{option}"
            raise BundleError(
                self.root,
                f"has no {kind}; add one with "
                f"'geograph-types export {command} --bundle {self.root}'",
            )
        return file

    def read(self, file: BundleFile) -> bytes:
        """Read a file of the bundle and check its digest before anybody parses it.

        Raises:
            BundleError: it is not, byte for byte, the file that the manifest names.
        """
        data = _read_regular(self.root, file.path, file.size)
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise BundleError(
                self.root / file.path,
                "its digest differs from the manifest's: it is damaged or was changed; "
                "export or copy the bundle again",
            )
        return data

    def verify(self) -> None:
        """Check the digest of every file.

        Raises:
            BundleError: for the first file that differs.
        """
        for file in self.manifest.files:
            self.read(file)

    @property
    def is_stand_in(self) -> bool:
        """Whether the encoder has seeded weights in place of CLIP's."""
        return self.manifest.encoder is not None and self.manifest.encoder.stand_in

    @property
    def label(self) -> str:
        """Name and version, as results and messages give them."""
        return f"{self.manifest.name} {self.manifest.version}"


def _check_regular(path: Path) -> int:
    """Give the size of a plain file; links could lead out of the bundle or be changed elsewhere."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise BundleError(path, "is a link or no plain file; copy the bundle's files themselves")
    return status.st_size


def _read_regular(root: Path, name: str, limit: int) -> bytes:
    path = root / name
    try:
        _check_regular(path)
        with open(os.open(path, os.O_RDONLY | NO_LINKS), "rb") as stream:
            data = stream.read(limit + 1)
    except FileNotFoundError:
        raise BundleError(root, f"has no {name}; export or copy the bundle again") from None
    except OSError as error:
        raise BundleError(path, f"cannot be read ({error.strerror})") from None
    if len(data) > limit:
        raise BundleError(path, f"is larger than {limit} bytes; export or copy the bundle again")
    return data
