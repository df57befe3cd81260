"""Open a model bundle, trusting nothing that its manifest does not vouch for.

Digests prove that a file is the one that the manifest names. They do not prove who made the
bundle: whoever can change a file can change the manifest with it.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from geograph_types.errors import BundleError, InputError
from geograph_types.files.private import private_file
from geograph_types.manifest import BundleFile, Manifest, Precision, Role, decode_manifest
from geograph_types.thresholds import Thresholds

MANIFEST_NAME: Final = "manifest.json"
MANIFEST_LIMIT: Final = 1 << 20
"""Bytes; a manifest is a few kilobytes."""
REPLACED_WHILE_OPENED: Final = 10
"""Tries to open a bundle that others put new parts into."""
LINE_ENDS: Final = (
    "its line ends were changed, as git does on Windows; copy the bundle again, "
    "with '* -text' in the repository's .gitattributes"
)
CHUNK: Final = 1 << 24
"""Bytes read at once: many, since a busy interpreter lets this thread go on only between chunks."""
OPEN_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Do not wait for a pipe, and do not translate line ends, on systems that would."""
DROPPINGS: Final = frozenset(
    {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".directory", ".gitattributes"}
)
"""What file managers leave in folders; and how a bundle in git keeps its line ends."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: its manifest holds, and its folder holds those files and no others."""

    root: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: "str | PathLike[str] | Bundle") -> "Bundle":
        """Open a bundle without reading its models.

        Raises:
            BundleError: missing, a manifest that is damaged or for another contract, or files that
                are missing, unknown, or of another size.
        """
        if isinstance(path, Bundle):
            return path
        if not isinstance(path, str | PathLike):
            raise InputError(f"a bundle is a folder's path, not {type(path).__name__}")
        root = Path(path)
        for _ in range(REPLACED_WHILE_OPENED):
            opened = _identity(root)
            try:
                return cls._open(root)
            except BundleError:
                # Its files are of two bundles where it was replaced meanwhile.
                if _identity(root) == opened:
                    raise
        return cls._open(root)

    @classmethod
    def _open(cls, root: Path) -> "Bundle":
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
            if _is_manifest(_without_returns(data)):
                raise BundleError(root / MANIFEST_NAME, LINE_ENDS) from None
            raise BundleError(root, f"{MANIFEST_NAME} is refused: {error}") from None
        bundle = cls(root, manifest)
        bundle._check_listing()
        return bundle

    def _check_listing(self) -> None:
        named = {file.path for file in self.manifest.files} | {MANIFEST_NAME}
        try:
            present = set(filter(_counts, os.listdir(self.root)))  # noqa: PTH208
        except OSError as error:
            raise BundleError(self.root, f"cannot be read ({error.strerror})") from None
        for problem, names, advice in (
            ("missing", named - present, "export or copy the bundle again"),
            ("unknown", present - named, "remove it"),
        ):
            if names:
                raise BundleError(self.root, f"{problem} file {min(names)}; {advice}")
        for file in self.manifest.files:
            size = _check_regular(self.root / file.path)
            if size != file.size:
                self._check_line_ends(file, size)
                raise BundleError(
                    self.root / file.path,
                    f"{size} bytes instead of {file.size}; export or copy the bundle again",
                )

    def _check_line_ends(self, file: BundleFile, size: int) -> None:
        """Report a file that differs by its line ends only."""
        if file.size < size <= 2 * file.size:
            data = _without_returns(_read_regular(self.root, file.path, size))
            if hashlib.sha256(data).hexdigest() == file.sha256:
                raise BundleError(self.root / file.path, LINE_ENDS)

    def find(self, role: Role, precision: Precision | None = None) -> BundleFile:
        """Return the file of a role and precision.

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
        self._check_digest(file, hashlib.sha256(data).hexdigest())
        return data

    @contextmanager
    def model(self, file: BundleFile) -> Iterator[Path]:
        """Copy a model to a private file and check the copy, before anybody parses it.

        Whoever changes the bundle afterwards changes nothing that is read from that path, and
        onnxruntime refuses weights that a model keeps in files beside it: a private copy has none.
        A copy takes less memory than the model's bytes would, which onnxruntime copies and keeps.

        Raises:
            BundleError: the file is not, byte for byte, the one that the manifest names.
        """
        with private_file() as (copy, path):
            self._check_digest(file, _copy_regular(self.root, file, copy))
            yield path

    def _check_digest(self, file: BundleFile, digest: str) -> None:
        if digest == file.sha256:
            return
        if self._was_replaced():
            raise BundleError(self.root, "was replaced since it was opened; open it again")
        raise BundleError(
            self.root / file.path,
            "its digest differs from the manifest's: it is damaged or was changed; "
            "export or copy the bundle again",
        )

    def _was_replaced(self) -> bool:
        try:
            return Bundle.open(self.root).manifest.sha256 != self.manifest.sha256
        except BundleError:
            return False

    def verify(self) -> None:
        """Check the digest of every file.

        Raises:
            BundleError: for the first file that differs.
        """
        for file in self.manifest.files:
            self.read(file)

    def thresholds(self, threshold: float | None = None) -> Thresholds:
        """Return the probability from which each class is a tag.

        Args:
            threshold: of all classes, 0 to 1; `None` takes each class's own from the manifest.
                Certain tags keep theirs.

        Raises:
            InputError: the threshold is not between 0 and 1.
        """
        if threshold is None:
            return self.manifest.thresholds
        if not 0 <= threshold <= 1:
            raise InputError(f"threshold {threshold} is not between 0 and 1")
        return self.manifest.thresholds.with_tags(threshold)

    @property
    def is_stand_in(self) -> bool:
        """Whether the encoder has seeded weights in place of CLIP's."""
        return self.manifest.encoder is not None and self.manifest.encoder.stand_in

    @property
    def label(self) -> str:
        """Name and version, as in results and messages."""
        return f"{self.manifest.name} {self.manifest.version}"


def _counts(name: str) -> bool:
    """Check whether a name in the folder has to be in the manifest."""
    return not name.startswith("._") and name.casefold() not in DROPPINGS


def _without_returns(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def _is_manifest(data: bytes) -> bool:
    try:
        decode_manifest(data)
    except msgspec.DecodeError:
        return False
    return True


def _check_regular(path: Path) -> int:
    """Return the size of a file, or of the one that a link leads to: its digest decides."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise BundleError(
            path.parent, f"has no {path.name}; export or copy the bundle again"
        ) from None
    except OSError as error:
        raise BundleError(path, f"cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(status.st_mode):
        raise BundleError(path, "is not a file; copy the bundle's files themselves")
    return status.st_size


def _identity(root: Path) -> tuple[int, int, int] | None:
    """Return what tells one folder from another that takes its name, and perhaps its inode."""
    try:
        status = root.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _read_regular(root: Path, name: str, limit: int) -> bytes:
    with _open_regular(root, name) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise BundleError(
            root / name, f"is larger than {limit} bytes; export or copy the bundle again"
        )
    return data


def _copy_regular(root: Path, file: BundleFile, copy: BinaryIO) -> str:
    """Copy a file, no further than its size in the manifest, and return the digest of the copy."""
    digest = hashlib.sha256()
    left = file.size
    with _open_regular(root, file.path) as stream:
        while left and (chunk := stream.read(min(CHUNK, left))):
            digest.update(chunk)
            copy.write(chunk)
            left -= len(chunk)
    copy.flush()
    return digest.hexdigest()


@contextmanager
def _open_regular(root: Path, name: str) -> Iterator[BinaryIO]:
    path = root / name
    try:
        _check_regular(path)
        with open(os.open(path, OPEN_FLAGS), "rb") as stream:
            yield stream
    except OSError as error:
        raise BundleError(path, f"cannot be read ({error.strerror})") from None
