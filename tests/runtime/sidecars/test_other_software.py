"""Sidecars as other programs leave them: what they say, whose they are, and where they lie."""

import os
import stat
import struct
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import exiv2
import pytest
from foreign_sidecars import RDF, SIDECARS

from geograph_types.sidecars import SidecarError
from geograph_types.sidecars.plan import apply_plan, plan_tags, plan_undo
from geograph_types.sidecars.search import find_sidecars

OURS = "urn:x-geograph-types:sidecar:1#"
NOBODY = 65534
LISTS = {"subject": "Inside", "hierarchicalSubject": "Geograph|Type|Inside"} | {
    "TagsList": "Geograph/Type/Inside"
}
ACCESS_LIST = struct.pack(
    "<I" + "HHI" * 5,
    *(2, 0x01, 6, 0xFFFFFFFF, 0x02, 6, 1234, 0x04, 4, 0xFFFFFFFF),
    *(0x10, 6, 0xFFFFFFFF, 0x20, 4, 0xFFFFFFFF),
)
"""rw for its owner and for user 1234, r for others. Source: acl(5), linux/posix_acl_xattr.h."""

Facts: TypeAlias = dict[tuple[str, ...], str]


def facts(data: bytes) -> Facts:
    """Read all that RDF says with ElementTree, which knows nothing of exiv2.

    Kinds of lists are left out: XMP's toolkit makes a Bag of a `dc:subject` that is a Seq.
    """
    found: Facts = {}

    def walk(node: ElementTree.Element, path: tuple[str, ...]) -> None:
        for name, value in node.attrib.items():
            if not name.startswith("{" + RDF):
                found[*path, name] = value
        for number, child in enumerate(node):
            name = child.tag.removeprefix("{" + RDF + "}")
            steps = {"Description": (), "Bag": (), "Seq": (), "Alt": (), "li": (str(number),)}
            walk(child, (*path, *steps.get(name, (name,))))
        if not len(node) and node.text and node.text.strip():
            found[path] = node.text

    for rdf in ElementTree.fromstring(data).iter("{" + RDF + "}RDF"):
        walk(rdf, ())
    return {path: text for path, text in found.items() if text}


def without_ours(found: Facts) -> Facts:
    ours = LISTS.values()
    return {path: text for path, text in found.items() if OURS not in path[0] and text not in ours}


@pytest.fixture(params=["root", "another user"])
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder that belongs to the user who runs what follows."""
    another = request.param == "another user"
    if another and os.geteuid():
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as name:
        if another:
            os.chown(name, NOBODY, NOBODY)
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            os.seteuid(os.getuid())
            os.setegid(os.getgid())


def kept(path: Path) -> tuple[object, ...]:
    status = path.stat()
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode), attributes


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("program", SIDECARS)
def test_all_that_a_program_wrote_stays(folder: Path, program: str, linked: bool) -> None:
    photo, sidecar = folder / "photo.jpg", folder / "photo.jpg.xmp"
    sidecar.write_bytes(SIDECARS[program])
    sidecar.chmod(0o640)
    os.setxattr(sidecar, "user.rating", b"4")
    os.setxattr(sidecar, "system.posix_acl_access", ACCESS_LIST)
    if linked:
        sidecar.rename(folder / "elsewhere")
        sidecar.symlink_to("elsewhere")
    before, whose, names = facts(SIDECARS[program]), kept(sidecar), sorted(folder.iterdir())

    apply_plan(plan_tags(photo, ("Inside",)))
    written = facts(sidecar.read_bytes())
    for name, text in LISTS.items():
        assert any(path[0].endswith("}" + name) and t == text for path, t in written.items())
    assert without_ours(written) == before
    assert kept(sidecar) == whose
    image = exiv2.ImageFactory.open(str(sidecar))  # as digiKam and darktable do
    image.readMetadata()
    assert "Inside" in str(image.xmpData()["Xmp.dc.subject"].value())

    apply_plan(plan_undo(sidecar))
    assert facts(sidecar.read_bytes()) == before
    assert kept(sidecar) == whose
    assert sorted(folder.iterdir()) == names
    assert sidecar.is_symlink() is linked


def test_a_sidecar_that_belongs_to_somebody_else() -> None:
    if os.geteuid():
        pytest.skip("only root can give files to others")
    with tempfile.TemporaryDirectory() as name:
        photo, sidecar = Path(name, "photo.jpg"), Path(name, "photo.jpg.xmp")
        sidecar.write_bytes(SIDECARS["exiftool"])
        os.chown(sidecar, 1234, 1235)
        apply_plan(plan_tags(photo, ("Inside",)))
        assert kept(sidecar)[:2] == (1234, 1235)
        Path(name).chmod(0o777)
        sidecar.chmod(0o666)
        before = sidecar.read_bytes()
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        try:
            with pytest.raises(SidecarError, match="owner, group or attributes cannot be kept"):
                apply_plan(plan_undo(sidecar))
            assert [path.name for path in Path(name).iterdir()] == ["photo.jpg.xmp"]
        finally:
            os.seteuid(os.getuid())
            os.setegid(os.getgid())
        assert sidecar.read_bytes() == before


@pytest.mark.parametrize("mode", [0o444, 0o400])
def test_a_read_only_sidecar_is_refused(folder: Path, mode: int) -> None:
    sidecar = folder / "photo.jpg.xmp"
    sidecar.write_bytes(SIDECARS["exiftool"])
    sidecar.chmod(mode)
    with pytest.raises(SidecarError, match="is read-only"):
        plan_tags(folder / "photo.jpg", ("Inside",))
    assert not plan_tags(folder / "photo.jpg", ()).changes


def test_a_hard_link_is_refused(folder: Path) -> None:
    sidecar = folder / "photo.jpg.xmp"
    sidecar.write_bytes(SIDECARS["exiftool"])
    (folder / "backup.xmp").hardlink_to(sidecar)
    with pytest.raises(SidecarError, match="has 2 hard links"):
        plan_tags(folder / "photo.jpg", ("Inside",))


@pytest.mark.parametrize(
    ("there", "place", "hidden"),
    [
        ([], "photo.jpg.xmp", None),
        (["photo.xmp"], "photo.xmp", None),
        (["photo.XMP"], "photo.XMP", None),
        (["photo.jpg.XMP"], "photo.jpg.XMP", None),
        (["photo.jpg.Xmp", "photo.xmp"], "photo.jpg.Xmp", None),
        (["photo.xmp", "photo.jpg.xmp"], "photo.jpg.xmp", None),
        (["photo.xmp", "photo.CR2"], "photo.jpg.xmp", "photo.xmp"),
        (["photo.xmp", "Photo.png"], "photo.jpg.xmp", "photo.xmp"),
        (["photo.xmp", "photo.txt", "photo 2.jpg"], "photo.xmp", None),
    ],
)
def test_a_sidecar_that_is_there_is_found(
    tmp_path: Path, there: list[str], place: str, hidden: str | None
) -> None:
    photo = tmp_path / "photo.jpg"
    for name in ["photo.jpg", *there]:
        (tmp_path / name).write_bytes(SIDECARS["exiftool"])
    plan = plan_tags(photo, ("Inside",))
    assert plan.path.name == place
    assert (plan.hidden and plan.hidden.name) == hidden
    apply_plan(plan)
    assert plan.path in find_sidecars([photo])
    assert [path.name for path in find_sidecars([tmp_path])] == [place]
    photo.unlink()
    assert plan.path in find_sidecars([photo])


@pytest.mark.parametrize(
    ("there", "place"),
    [
        ([], "photo.xmp"),
        (["photo.jpg.xmp"], "photo.jpg.xmp"),
        (["photo.XMP"], "photo.XMP"),
        (["photo.CR2"], "photo.jpg.xmp"),  # photo.xmp would be the RAW file's as well
        (["photo.jpg.xmp", "photo.xmp"], "photo.jpg.xmp"),
    ],
)
def test_new_sidecars_have_the_name_that_was_chosen(
    tmp_path: Path, there: list[str], place: str
) -> None:
    for name in ["photo.jpg", *there]:
        (tmp_path / name).write_bytes(SIDECARS["exiftool"])
    plan = plan_tags(tmp_path / "photo.jpg", ("Inside",), without_suffix=True)
    assert plan.path.name == place
    apply_plan(plan)
    assert next(find_sidecars([tmp_path / "photo.jpg"])).name == place


def test_bins_are_searched_for_our_tags(tmp_path: Path) -> None:
    (tmp_path / "@eaDir" / "#recycle").mkdir(parents=True)
    apply_plan(plan_tags(tmp_path / "@eaDir" / "#recycle" / "photo.jpg", ("Inside",)))
    assert len(list(find_sidecars([tmp_path]))) == 1
