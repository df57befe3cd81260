"""Make a bundle, or add to one; the bundle is at all times the old one or the new one, whole."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from geograph_types.bundle import MANIFEST_NAME, Bundle
from geograph_types.errors import BundleError, OutputError
from geograph_types.files.atomic import new_folder, old_folder, sole_writer
from geograph_types.manifest import (
    SCHEMA_VERSION,
    BundleFile,
    DistanceContract,
    EmbeddingContract,
    EncoderSource,
    Fidelity,
    HeadSource,
    Manifest,
    Precision,
    PreprocessingContract,
    Role,
    encode_manifest,
    file_name,
    tensor_contract,
)
from geograph_types.taxonomy import CLASSES
from geograph_types.thresholds import Thresholds
from geograph_types_export.bundle.card import model_card
from geograph_types_export.bundle.parts import EncoderPart, HeadPart
from geograph_types_export.graphs.tagger import join_graphs
from geograph_types_export.verify.graphs import verify_tagger

BUNDLE_NAME: Final = "geograph-types"
VERSION_HEX: Final = 12


def check_place(path: Path, encoder: EncoderSource | None = None) -> None:
    """Check, before any work is done, that a part could be put into a bundle."""
    _, manifest = _open(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(prefix=".geograph-types-", dir=path.parent).cleanup()
    except OSError as error:
        raise OutputError(path, error.strerror or str(error)) from None
    if encoder is not None:
        _check_weights(path, manifest, encoder)


def write_bundle(path: Path, *parts: EncoderPart | HeadPart) -> Bundle:
    """Put parts into a bundle, all of them at once; the rest of it stays, byte for byte.

    A head replaces the head. An encoder replaces the one of its precision, and all of a stand-in
    if its weights are others; other weights are not replaced. If there are both, each encoder is
    there once more with the head behind it, in one file. The folder is made if there is none, and
    the same parts give the same bytes.
    """
    with _alone(path):
        contents, manifest = _open(path)
        for part in parts:
            if isinstance(part, EncoderPart):
                _check_weights(path, manifest, part.source)
                manifest = _with_encoder(manifest, part)
                contents |= {file_name("encoder", part.precision): part.model}
            else:
                manifest = _with_head(manifest, part)
                contents |= {file_name("head"): part.model}
        manifest = _with_taggers(manifest, contents)
        manifest = _with_card(manifest, contents)
        try:
            with new_folder(path) as folder:
                for file in manifest.files:
                    (folder / file.path).write_bytes(contents[file.path])
                (folder / MANIFEST_NAME).write_bytes(encode_manifest(manifest))
        except OSError as error:
            raise OutputError(path, error.strerror or str(error)) from None
        return Bundle.open(path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other exports from the same bundle meanwhile: one of the parts would be lost."""
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(sole_writer(path))
            _put_back(path)
        except OSError as error:
            raise OutputError(path, error.strerror or str(error)) from None
        yield


def _put_back(path: Path) -> None:
    """Undo what a killed export left: a bundle taken away, with no new one in its place."""
    if not path.name:
        return
    old = old_folder(path)
    try:
        Bundle.open(old)
    except BundleError:
        return  # there is none, or it is somebody else's
    if os.path.lexists(path):
        shutil.rmtree(old)
    else:
        old.rename(path)


def _open(path: Path) -> tuple[dict[str, bytes], Manifest]:
    """Read the models of the bundle that is there, if there is one."""
    if path.is_symlink():
        raise BundleError(path, "is a link; give the folder itself")
    if not path.exists():
        return {}, _empty()
    if not path.is_dir():
        raise BundleError(path, "is not a folder; give another place")
    if Path.cwd().is_relative_to(path.resolve()):
        raise BundleError(
            path, "is the current folder, and is replaced as a whole: run this from another one"
        )
    if not any(path.iterdir()):
        return {}, _empty()
    bundle = Bundle.open(path)
    models = tuple(file for file in bundle.manifest.files if file.role != "card")
    return (
        {file.path: bundle.read(file) for file in models},
        msgspec.structs.replace(bundle.manifest, files=models),
    )


def _empty() -> Manifest:
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name=BUNDLE_NAME,
        version="",
        classes=CLASSES,
        thresholds=Thresholds.uniform(),
        embedding=EmbeddingContract(),
        distance=DistanceContract(),
        preprocessing=PreprocessingContract(),
        files=(),
        encoder=None,
        head=None,
        fidelity=(),
    )


def _check_weights(path: Path, manifest: Manifest, source: EncoderSource) -> None:
    """Refuse to replace an encoder that means something by one of other weights."""
    known = manifest.encoder
    if known is not None and not known.stand_in and known.sha256 != source.sha256:
        raise BundleError(
            path,
            f"has an encoder of the weights {known.weights} ({known.sha256[:12]}), which "
            f"{source.weights} ({source.sha256[:12]}) would replace; give its own with --weights, "
            "or another folder",
        )


def _with_encoder(manifest: Manifest, part: EncoderPart) -> Manifest:
    known = manifest.encoder
    same_weights = known is not None and known.sha256 == part.source.sha256
    kept = tuple(
        file
        for file in manifest.files
        if file.role not in ("encoder", "tagger")
        or (same_weights and file.precision != part.precision)
    )
    file = _describe("encoder", part.precision, part.model)
    fidelity = part.fidelity
    if part.tags is None or not part.tags.are_of(manifest):
        fidelity = msgspec.structs.replace(fidelity, flipped_tags=None)
    return _replace(manifest, (*kept, file), fidelity, encoder=part.source)


def _with_head(manifest: Manifest, part: HeadPart) -> Manifest:
    kept = tuple(file for file in manifest.files if file.role not in ("head", "tagger"))
    file = _describe("head", None, part.model)
    fidelity = manifest.fidelity
    if not part.tags.are_of(manifest):
        # The tags that flip were those of another head, or of other thresholds.
        fidelity = tuple(msgspec.structs.replace(f, flipped_tags=None) for f in fidelity)
    manifest = msgspec.structs.replace(manifest, thresholds=part.thresholds, fidelity=fidelity)
    return _replace(manifest, (*kept, file), part.fidelity, head=part.source)


def _with_taggers(manifest: Manifest, contents: dict[str, bytes]) -> Manifest:
    """Join each encoder that has no tagger with the head."""
    if manifest.head is None:
        return manifest
    for precision in manifest.precisions:
        if manifest.find("tagger", precision) is None:
            name = file_name("tagger", precision)
            encoder, head = contents[file_name("encoder", precision)], contents[file_name("head")]
            contents[name] = join_graphs(encoder, head)
            fidelity = verify_tagger(contents[name], name, encoder, head)
            file = _describe("tagger", precision, contents[name])
            manifest = _replace(manifest, (*manifest.files, file), fidelity)
    return manifest


def _replace(
    manifest: Manifest,
    files: tuple[BundleFile, ...],
    fidelity: Fidelity,
    **source: EncoderSource | HeadSource,
) -> Manifest:
    """Replace the models, in the order of their names, and what goes with them."""
    ordered = tuple(sorted(files, key=lambda file: file.path))
    paths = {file.path for file in ordered}
    known = {f.path: f for f in manifest.fidelity if f.path in paths} | {fidelity.path: fidelity}
    return msgspec.structs.replace(
        manifest,
        files=ordered,
        fidelity=tuple(known[path] for path in sorted(known)),
        version=_version(ordered),
        **source,
    )


def _with_card(manifest: Manifest, contents: dict[str, bytes]) -> Manifest:
    contents[file_name("card")] = model_card(manifest).encode()
    card = _describe("card", None, contents[file_name("card")])
    return msgspec.structs.replace(manifest, files=(card, *manifest.files))


def _describe(role: Role, precision: Precision | None, data: bytes) -> BundleFile:
    inputs, outputs = tensor_contract(role)
    return BundleFile(
        path=file_name(role, precision),
        role=role,
        precision=precision,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        inputs=inputs,
        outputs=outputs,
    )


def _version(files: tuple[BundleFile, ...]) -> str:
    """Return a short digest of the models' digests."""
    digests = "\n".join(f"{file.path} {file.sha256}" for file in files)
    return hashlib.sha256(digests.encode()).hexdigest()[:VERSION_HEX]
