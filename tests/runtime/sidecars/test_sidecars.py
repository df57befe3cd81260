"""Tags into sidecars of other software and out again, read back with exiv2."""

import os
import random
import re
import stat
from pathlib import Path

import exiv2
import pytest

from geograph_types.sidecars import SidecarError
from geograph_types.sidecars.document import OWN_PREFIX, Values, read_xmp
from geograph_types.sidecars.document import values as values_of
from geograph_types.sidecars.plan import (
    SidecarPlan,
    apply_plan,
    plan_tags,
    plan_undo,
)
from geograph_types.sidecars.search import sidecar_path
from geograph_types.taxonomy import CLASSES

OTHER_NAMESPACE = "http://photos.example/ns/1.0/"
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-8")
COUNT = int(os.environ.get("GEOGRAPH_TYPES_SIDECARS", "60"))
"""How many sidecars of other software; `make acceptance` takes 500."""

TAGS = ("Inside", "Cross Grid")
ENTRIES = {
    ("Xmp.dc.subject", ""),
    ("Xmp.lr.hierarchicalSubject", "Geograph|Type|"),
    ("Xmp.digiKam.TagsList", "Geograph/Type/"),
}

HIERARCHY = "hierarchicalSubject"
LR = ' xmlns:lr="http://ns.adobe.com/lightroom/1.0/"'
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

exiv2.XmpProperties.registerNs(OTHER_NAMESPACE, "other")


def apply_to(photo: Path, tags: tuple[str, ...] = TAGS) -> SidecarPlan:
    plan = plan_tags(photo, tags)
    apply_plan(plan)
    return plan


def undo(photo: Path) -> SidecarPlan:
    plan = plan_undo(sidecar_path(photo))
    apply_plan(plan)
    return plan


def values(data: bytes) -> Values:
    return values_of(read_xmp(data))


def without_ours(found: Values, tags: tuple[str, ...], there_before: Values) -> Values:
    """Take away what adding `tags` is known to add."""
    left = {key: value for key, value in found.items() if f".{OWN_PREFIX}." not in key}
    for key, before in ENTRIES:
        known = there_before.get(key, ())
        kind, *items = left.pop(key)
        for tag in tags:
            if before + tag not in known[1:]:
                items.remove(before + tag)
        if items or key in there_before:
            left[key] = (kind, *items)
    return left


class Writer:
    """Stands for other software: writes sidecars with exiv2, and then bends their text."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def words(self) -> list[str]:
        pool = ["Öland & <Skye>", "hill", "Inside", "a, b", '"quoted"', "山", "Places|Wales", "x=y"]
        return self.random.sample(pool, self.random.randint(1, len(pool)))

    def properties(self) -> exiv2.XmpData:
        data = exiv2.XmpData()

        def put(key: str, value: object) -> None:
            data.add(exiv2.XmpKey(key), value)

        bag, seq = exiv2.TypeId.xmpBag, exiv2.TypeId.xmpSeq
        for key, kind, share in (
            ("Xmp.dc.subject", self.random.choice((bag, bag, seq)), 0.6),
            ("Xmp.lr.hierarchicalSubject", bag, 0.5),
            ("Xmp.digiKam.TagsList", self.random.choice((seq, bag)), 0.4),
            ("Xmp.dc.creator", seq, 0.5),
            ("Xmp.other.list", bag, 0.5),
        ):
            if self.chance(share):
                put(key, exiv2.XmpArrayValue(self.words(), kind))
        if self.chance(0.5):
            title = exiv2.LangAltValue()
            title.read('lang="x-default" A <hill> & "more"')
            title.read('lang="cy" Bryn')
            put("Xmp.dc.title", title)
        if self.chance(0.7):
            data["Xmp.xmp.Rating"] = "3"
            data["Xmp.crs.Exposure2012"] = "+0.35"
        if self.chance(0.5):
            history = exiv2.XmpTextValue("")
            history.setXmpArrayType(exiv2.XmpValue.XmpArrayType.xaSeq)
            put("Xmp.xmpMM.History", history)
            for index in (1, 2):
                data[f"Xmp.xmpMM.History[{index}]/stEvt:action"] = "saved"
                data[f"Xmp.xmpMM.History[{index}]/stEvt:when"] = "2020-01-01T00:00:00Z"
        if self.chance(0.6):
            data["Xmp.other.settings/other:mask"] = "gz04" + "eJzt" * 50
            data["Xmp.other.plain"] = "dc:subject=Inside"
        if self.chance(0.2):
            data["Xmp.other.settings/dc:subject"] = "a nested one, not a keyword"
        return data

    def bytes(self) -> bytes:
        flags = exiv2.XmpParser.XmpFormatFlags
        layout = self.random.choice(
            (0, flags.useCompactFormat, flags.omitAllFormatting, flags.useCompactFormat)
        )
        wrapper = self.random.choice((0, flags.omitPacketWrapper))
        code, text = exiv2.XmpParser.encode(
            self.properties(), int(layout) | int(wrapper), self.random.choice((0, 2000))
        )
        assert code == 0
        return self.bent(text)

    def bent(self, text: str) -> bytes:
        if self.chance(0.3):
            text = text.replace("<rdf:li", "<!-- theirs --><rdf:li", 1)
        if self.chance(0.3):
            text = text.replace("</rdf:RDF>", "<!-- </rdf:RDF> -->\n</rdf:RDF>")
        if self.chance(0.3):
            text = text.replace("</rdf:Bag>", "<?theirs <rdf:li>?>  </rdf:Bag>", 1)
        if self.chance(0.2):
            text = re.sub(r"\bdc:", "purl:", text).replace("xmlns:dc=", "xmlns:purl=")
        if self.chance(0.2):
            text = text.replace('rdf:about=""', "rdf:about='uuid:1234'")
        if self.chance(0.2):
            text = text.replace("<rdf:li>hill</rdf:li>", "<rdf:li><![CDATA[hill]]></rdf:li>")
        if self.chance(0.3):
            text = text.replace("\n", "\r\n")
        encoding = self.random.choice(ENCODINGS)
        wide = encoding.startswith("utf-16")
        if self.chance(0.4) and not text.startswith("<?xpacket"):
            name = "UTF-16" if wide else "UTF-8"
            text = f'<?xml version="1.0" encoding="{name}"?>\n{text}'
        return ("\ufeff" * wide + text).encode(encoding)


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what only a power cut would show, and what takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    """Sidecars of other software, all written before exiv2 has read any.

    Once it has read a text that calls `dc` otherwise, exiv2 writes both prefixes into the next one,
    and cannot read that itself.
    """
    return [Writer(seed).bytes() for seed in range(COUNT)]


@pytest.mark.usefixtures("no_fsync")
def test_sidecars_of_other_software_keep_everything_and_come_back(
    tmp_path: Path, originals: list[bytes]
) -> None:
    """Of each: the plan changes nothing, applying adds exactly ours, undoing gives it back."""
    for seed, original in enumerate(originals):
        photo = tmp_path / f"{seed}.jpg"
        sidecar = sidecar_path(photo)
        sidecar.write_bytes(original)
        tags = tuple(random.Random(seed).sample(CLASSES, 1 + seed % 3))
        before = values(original)
        plan = plan_tags(photo, tags)
        assert sidecar.read_bytes() == original
        apply_plan(plan)
        written = sidecar.read_bytes()
        assert without_ours(values(written), tags, before) == before, seed
        assert not plan_tags(photo, tags).changes
        apply_to(photo, ("Aerial",))
        undo(photo)
        assert values(sidecar.read_bytes()) == before, seed


def test_exiv2_reads_the_files_themselves(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    assert sidecar_path(photo).name == "photo.jpg.xmp"
    apply_to(photo)
    image = exiv2.ImageFactory.open(str(sidecar_path(photo)))
    image.readMetadata()
    data = image.xmpData()
    assert data["Xmp.dc.subject"].typeName() == "XmpBag"
    for key, before in ENTRIES:
        datum = data[key]
        assert [datum.toString(i) for i in range(datum.count())] == [before + t for t in TAGS]


def test_a_sidecar_of_ours_goes_and_a_dry_run_makes_none(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    plan = plan_tags(photo, ("Inside",))
    assert plan.lines() == [
        "+ dc:subject=Inside",
        "+ lr:hierarchicalSubject=Geograph|Type|Inside",
        "+ digiKam:TagsList=Geograph/Type/Inside",
    ]
    assert list(tmp_path.iterdir()) == []
    apply_plan(plan)
    assert undo(photo).lines() == [line.replace("+", "-") for line in plan.lines()]
    assert list(tmp_path.iterdir()) == []


def test_new_tags_take_the_place_of_earlier_ones(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    apply_to(photo)
    plan = apply_to(photo, ("Inside", "Extra"))
    assert {line[0] + line[-5:] for line in plan.lines()} == {"- Grid", "+Extra"}
    found = values(sidecar_path(photo).read_bytes())
    assert found["Xmp.dc.subject"] == ("XmpBag", "Inside", "Extra")
    apply_to(photo, ())
    assert not sidecar_path(photo).exists()


def test_what_was_there_before_is_theirs_and_stays(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    original = packet("<dc:subject><rdf:Bag><rdf:li>Inside</rdf:li></rdf:Bag></dc:subject>")
    sidecar_path(photo).write_bytes(original)
    assert "+ dc:subject=Inside" not in apply_to(photo).lines()
    found = values(sidecar_path(photo).read_bytes())
    assert found["Xmp.dc.subject"] == ("XmpBag", "Inside", "Cross Grid")
    undo(photo)
    assert values(sidecar_path(photo).read_bytes()) == values(original)


def packet(inner: str, attributes: str = "") -> bytes:
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n <rdf:RDF xmlns:rdf="{RDF}">\n'
        f'  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"{attributes}>'
        f"{inner}</rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>"
    ).encode()


@pytest.mark.parametrize(
    "original",
    [
        packet("<dc:subject><rdf:Bag/></dc:subject>"),
        packet("<dc:subject/>"),
        packet("<dc:subject>plain</dc:subject>").replace(b"plain", b""),
        packet("<dc:subject><rdf:Bag></rdf:Bag></dc:subject>"),
        packet("<dc:subject><rdf:Bag>\n\n</rdf:Bag></dc:subject>"),
        packet(""),
        packet("", ' dc:source="a"'),
        f'<rdf:RDF xmlns:rdf="{RDF}"/>'.encode(),
        f'<rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF>'.encode(),
        packet('<d:source xmlns:d="http://purl.org/dc/elements/1.1/">a</d:source>').replace(
            b"xmlns:dc", b"xmlns:d"
        ),
        f'<?xml version="1.0" encoding="iso-8859-1"?><rdf:RDF xmlns:rdf="{RDF}"><!-- \xe9 -->'
        "</rdf:RDF>".encode("latin-1").decode("latin-1"),
    ],
)
def test_odd_but_valid_texts_are_edited_and_given_back(
    tmp_path: Path, original: bytes | str
) -> None:
    photo = tmp_path / "photo.jpg"
    data = original if isinstance(original, bytes) else original.encode("latin-1")
    sidecar_path(photo).write_bytes(data)
    before = values(data)
    apply_to(photo)
    found = values(sidecar_path(photo).read_bytes())
    assert found["Xmp.dc.subject"] == ("XmpBag", *TAGS)
    undo(photo)
    assert values(sidecar_path(photo).read_bytes()) == before


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not well-formed XML"),
        (b"not XMP at all", "not well-formed XML"),
        (b"\x00\x01\x02\xff\xd8", "not well-formed XML"),
        (packet("")[:-5], "not well-formed XML"),
        (packet("") + b"\0\0", "not well-formed XML"),
        (packet("<dc:title>\xff</dc:title>").decode().encode("latin-1"), "not well-formed XML"),
        (b"<svg/>", "without rdf:RDF"),
        (f'<RDF xmlns="{RDF}"/>'.encode(), "without rdf:RDF"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "not well-formed XML"),
        (b'<?xml version="1.0" encoding="utf-16"?><a/>', "not well-formed XML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + packet("&b;"), "has a document type"),
        (packet("<dc:a>" * 101 + "</dc:a>" * 101), "nested more than 100 deep"),
        (packet(f"<lr:{HIERARCHY}>plain</lr:{HIERARCHY}>", LR), "Subject is not a list"),
        (packet("<dc:title>no<rdf:Bag/>list</dc:title>"), "exiv2.* cannot parse it"),
        (packet("<dc:subject><rdf:Bag/></dc:subject>" * 2), "exiv2.* cannot parse it"),
    ],
)
def test_what_is_no_xmp_is_refused_and_not_touched(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    photo = tmp_path / "photo.jpg"
    sidecar_path(photo).write_bytes(data)
    with pytest.raises(SidecarError, match=problem) as caught:
        plan_tags(photo, TAGS)
    assert str(sidecar_path(photo)) in str(caught.value)
    assert sidecar_path(photo).read_bytes() == data


@pytest.mark.usefixtures("no_fsync")
def test_undo_after_other_software_has_written_the_sidecar_anew(
    tmp_path: Path, originals: list[bytes]
) -> None:
    """As exiv2 writes it: all in one description, other layout; and a keyword more."""
    usual = [data for data in originals if b"xmlns:purl" not in data.replace(b"\0", b"")]
    for seed, original in enumerate(usual[:40]):
        photo = tmp_path / f"{seed}.jpg"
        sidecar = sidecar_path(photo)
        sidecar.write_bytes(original)
        before = values(sidecar.read_bytes())
        apply_to(photo)
        image = exiv2.ImageFactory.open(sidecar.read_bytes())
        image.readMetadata()
        image.xmpData()["Xmp.xmp.Label"] = "Red"
        _, text = exiv2.XmpParser.encode(image.xmpData(), seed % 2 * 64)
        sidecar.write_text(text, encoding="utf-8")
        undo(photo)
        after = values(sidecar.read_bytes())
        assert after == {**before, "Xmp.xmp.Label": ("XmpText", "Red")}, seed


def test_what_others_added_to_our_sidecar_stays(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    apply_to(photo, ("Inside",))
    text = sidecar_path(photo).read_text(encoding="utf-8")
    theirs = text.replace("<rdf:li>Inside</rdf:li>", "<rdf:li>Inside</rdf:li><rdf:li>hill</rdf:li>")
    sidecar_path(photo).write_text(theirs, encoding="utf-8")
    undo(photo)
    found = values(sidecar_path(photo).read_bytes())
    assert found == {"Xmp.dc.subject": ("XmpBag", "hill")}


def test_what_others_removed_is_not_missed(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    apply_to(photo, ("Inside",))
    text = sidecar_path(photo).read_text(encoding="utf-8")
    text = re.sub("<rdf:li>(Geograph.Type.)?Inside</rdf:li>", "", text)
    sidecar_path(photo).write_text(text, encoding="utf-8")
    assert undo(photo).lines() == []
    assert not sidecar_path(photo).exists()


def test_a_sidecar_that_changed_since_the_plan_is_left_alone(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    plan = plan_tags(photo, TAGS)
    sidecar_path(photo).write_bytes(packet(""))
    with pytest.raises(SidecarError, match="changed by someone else"):
        apply_plan(plan)
    assert sidecar_path(photo).read_bytes() == packet("")


def test_what_others_save_while_ours_is_on_its_way_to_the_disk_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo.jpg"
    sidecar_path(photo).write_bytes(packet(""))
    plan = plan_tags(photo, TAGS)
    sync, theirs = os.fsync, packet("").replace(b"\n", b"\n\n")

    def slow_sync(descriptor: int) -> None:
        sidecar_path(photo).write_bytes(theirs)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slow_sync)
    with pytest.raises(SidecarError, match="changed by someone else"):
        apply_plan(plan)
    assert sidecar_path(photo).read_bytes() == theirs
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg.xmp"]


def test_a_name_that_leaves_no_room_for_a_temporary_one(tmp_path: Path) -> None:
    photo = tmp_path / ("p" * 247 + ".jpg")
    apply_to(photo)
    assert b"Cross Grid" in sidecar_path(photo).read_bytes()
    undo(photo)
    assert list(tmp_path.iterdir()) == []


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    photo, real = tmp_path / "photo.jpg", tmp_path / "real.xmp"
    real.write_bytes(packet(""))
    real.chmod(0o640)
    sidecar_path(photo).symlink_to(real)
    apply_to(photo)
    assert sidecar_path(photo).is_symlink()
    assert b"Cross Grid" in real.read_bytes()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_nothing_to_undo_is_no_change(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    assert not plan_undo(sidecar_path(photo)).changes
    sidecar_path(photo).write_bytes(packet(""))
    assert not undo(photo).changes


def test_a_sidecar_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    sidecar_path(photo).mkdir()
    with pytest.raises(SidecarError, match=r"cannot be read \(Is a directory\)"):
        plan_tags(photo, TAGS)


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(SidecarError, match=r"cannot be written \(No such file"):
        apply_to(tmp_path / "gone" / "photo.jpg")


def test_a_sidecar_without_end_is_refused(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    with sidecar_path(photo).open("wb") as file:
        file.truncate(9 * 1024 * 1024)
    with pytest.raises(SidecarError, match="is larger than"):
        plan_tags(photo, TAGS)


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    photo = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg"))
    apply_to(photo)
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"caf\xe9.jpg.xmp"]
    undo(photo)
    assert list(tmp_path.iterdir()) == []


def test_a_tag_that_somebody_took_out_stays_out(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    sidecar_path(photo).write_bytes(packet("<dc:source>me</dc:source>"))
    apply_to(photo)
    text = sidecar_path(photo).read_text(encoding="utf-8")
    text = re.sub("<rdf:li>(Geograph.Type.)?Inside</rdf:li>", "", text)
    sidecar_path(photo).write_text(text, encoding="utf-8")
    assert not plan_tags(photo, TAGS).changes
    for tags in (("Extra",), (), TAGS):
        apply_to(photo, tags)
    found = values(sidecar_path(photo).read_bytes())
    assert found["Xmp.dc.subject"] == ("XmpBag", "Cross Grid")
    assert found["Xmp.digiKam.TagsList"] == ("XmpSeq", "Geograph/Type/Cross Grid")
    undo(photo)
    assert values(sidecar_path(photo).read_bytes()) == {"Xmp.dc.source": ("XmpText", "me")}
    assert "+ dc:subject=Inside" in plan_tags(photo, TAGS).lines()


def test_nothing_but_the_note_of_what_somebody_took_out_is_left(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    apply_to(photo, ("Inside",))
    text = sidecar_path(photo).read_text(encoding="utf-8")
    text = text.replace("<rdf:li>Inside</rdf:li>", "")
    sidecar_path(photo).write_text(text, encoding="utf-8")
    apply_to(photo, ())
    assert "+ dc:subject=Inside" not in apply_to(photo, TAGS).lines()
    undo(photo)
    assert not sidecar_path(photo).exists()


@pytest.mark.parametrize("there", ["inside", "INSIDE", " Inside "])
def test_a_keyword_in_other_case_is_not_added_again(tmp_path: Path, there: str) -> None:
    photo = tmp_path / "photo.jpg"
    original = packet(f"<dc:subject><rdf:Bag><rdf:li>{there}</rdf:li></rdf:Bag></dc:subject>")
    sidecar_path(photo).write_bytes(original)
    plan = apply_to(photo, ("Inside",))
    assert [line[:5] for line in plan.lines()] == ["+ lr:", "+ dig"]
    undo(photo)
    assert values(sidecar_path(photo).read_bytes()) == values(original)


@pytest.mark.parametrize("inner", ["<dc:subject/>", "<dc:subject></dc:subject>"])
def test_an_empty_subject_is_an_empty_list(tmp_path: Path, inner: str) -> None:
    photo = tmp_path / "photo.jpg"
    sidecar_path(photo).write_bytes(packet(inner + f"<lr:{HIERARCHY}/>", LR))
    apply_to(photo)
    undo(photo)
    text = sidecar_path(photo).read_text(encoding="utf-8")
    assert text.count("<rdf:Bag/>") == 2
