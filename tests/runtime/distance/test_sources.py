import sys
from pathlib import Path

import pytest

from geograph_types import Distance, DistanceBasis, Grid, GridPosition
from geograph_types.distance.coordinates import Coordinates
from geograph_types.distance.crossing import Crossing
from geograph_types.distance.distance import DistanceSource
from geograph_types.distance.sources import NOWHERE, Places, best_distance
from geograph_types.errors import GridError, MissingExtraError
from geograph_types.photos.labels import PhotoLabels, read_labels

# In London, the first two each in the middle of its square; then in Dublin and in Paris.
HERE = GridPosition(Grid.OSGB36, 529_500, 180_500)
THERE = GridPosition(Grid.OSGB36, 530_500, 180_500)
LONDON = Coordinates(51.50775, -0.12794, 10)
ON_A_LINE = Coordinates(51.50775, -0.1281, 10)
LONDON_TOO = Coordinates(51.5095, -0.1200, 10)
DUBLIN = Coordinates(53.3498, -6.2603, 10)
SPIRE = GridPosition(Grid.IRISH, 315_904, 234_671)
PARIS = Coordinates(48.85, 2.35, 10)


ABOUT = Places(LONDON, LONDON_TOO)
ABOUT_90 = Places(LONDON, LONDON_TOO, 90.0)
COARSE = Places(HERE, GridPosition(Grid.OSGB36, 530_000, 180_000, 4))
TWO_DECIMALS = Places(Coordinates.parse("51.5", "-0.1"), HERE)


@pytest.mark.parametrize(
    ("csv", "exif", "metres", "words"),
    [
        (NOWHERE, NOWHERE, None, "unknown unknown unknown"),
        (Places(HERE, THERE), ABOUT_90, 1000, "positions csv crossed"),
        (Places(HERE, THERE, 70.0), NOWHERE, 70, "metres csv crossed"),
        (Places(metres=70.0), ABOUT_90, 70, "metres csv not_crossed"),
        (Places(subject=THERE), Places(LONDON), 489, "positions csv_and_exif not_crossed"),
        (Places(HERE), Places(LONDON, metres=300.0), 300, "metres exif unknown"),
        (NOWHERE, ABOUT, 585, "positions exif not_crossed"),
        (NOWHERE, ABOUT_90, 90, "metres exif not_crossed"),
        (NOWHERE, Places(ON_A_LINE, LONDON_TOO), 598, "positions exif too_close_to_a_line"),
        (NOWHERE, Places(LONDON), None, "unknown unknown unknown"),
        (COARSE, NOWHERE, None, "reference_too_coarse csv crossed"),
        (COARSE, ABOUT, 585, "positions exif crossed"),
        (TWO_DECIMALS, NOWHERE, None, "reference_too_coarse csv reference_too_coarse"),
        # The focus is a distance only where nothing better is there.
        (NOWHERE, Places(focus_metres=4.0), 4, "metres exif unknown"),
        (Places(HERE, THERE), Places(focus_metres=4.0), 1000, "positions csv crossed"),
        (Places(metres=7.0), Places(focus_metres=4.0), 7, "metres csv unknown"),
        (NOWHERE, Places(LONDON, LONDON_TOO, None, 4.0), 585, "positions exif not_crossed"),
        (NOWHERE, Places(None, None, 90.0, 4.0), 90, "metres exif unknown"),
    ],
)
def test_the_best_source_wins(csv: Places, exif: Places, metres: float | None, words: str) -> None:
    best = best_distance(csv, exif)
    found = best.distance
    assert [found.basis.value, found.source.value, found.crossing.value] == words.split()
    assert found.metres == pytest.approx(metres, abs=8)
    assert best.problem is None


def test_the_subjects_grid_is_used_for_both() -> None:
    galloway, antrim = Coordinates(54.842, -5.117), Coordinates(54.845, -5.715)
    for camera, subject in ((galloway, antrim), (antrim, galloway)):
        distance = best_distance(Places(camera, subject)).distance
        assert distance.metres == pytest.approx(38_400, rel=0.01)
        assert distance.crossing is Crossing.CROSSED
    by_reference = best_distance(Places(camera=DUBLIN, subject=SPIRE)).distance
    assert by_reference.metres == pytest.approx(8, abs=8)


def test_the_csvs_places_on_two_grids_are_an_error_unless_the_distance_is_stated() -> None:
    with pytest.raises(GridError, match="give the distance in metres"):
        best_distance(Places(HERE, SPIRE))
    stated = best_distance(Places(HERE, SPIRE, 60_000.0)).distance
    assert (stated.metres, stated.crossing) == (60_000.0, Crossing.UNKNOWN)


@pytest.mark.parametrize(
    ("camera", "subject", "metres"),
    [
        (PARIS, PARIS, 0),
        (PARIS, LONDON, 344_500),
        # As GeographicLib's GeodSolve gives it: Sydney's Opera House to the Harbour Bridge.
        (Coordinates(-33.8568, 151.2153, 10), Coordinates(-33.8523, 151.2108, 10), 649),
        (Coordinates(0.001, 179.999, 10), Coordinates(-0.001, -179.999, 10), 313),
        (Coordinates(48.9, 2.3, 600), Coordinates(48.8, 2.3, 600), None),
    ],
)
def test_no_square_abroad(camera: Coordinates, subject: Coordinates, metres: int | None) -> None:
    for best in (
        best_distance(NOWHERE, Places(camera, subject)),
        best_distance(Places(camera, subject)),
        best_distance(Places(camera), Places(subject=subject)),
    ):
        assert (best.problem, best.distance.crossing) == (None, Crossing.UNKNOWN)
        assert best.distance.metres == (metres and pytest.approx(metres, rel=0.003))
    assert best_distance(Places(metres=5.0), Places(camera, subject)).distance.metres == 5.0


def test_a_reference_and_a_place_abroad_are_a_problem() -> None:
    best = best_distance(Places(HERE), Places(subject=PARIS))
    assert best.distance == Distance.unknown()
    assert "on neither grid" in (best.problem or "")


def test_without_pyproj_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "geograph_types.distance.geodesy", raising=False)
    monkeypatch.setitem(sys.modules, "pyproj", None)
    assert best_distance(Places(HERE, THERE)).distance.metres == 1000
    with pytest.raises(MissingExtraError, match=r"geograph-types\[geo\]"):
        best_distance(Places(LONDON, LONDON_TOO))
    best = best_distance(NOWHERE, Places(LONDON, LONDON_TOO, 90.0))
    assert best.distance.metres == 90
    assert "geograph-types[geo]" in (best.problem or "")


GEOGRAPHIC = "camera_latitude,camera_longitude,subject_latitude,subject_longitude"
ON_GRID = "camera,grid,subject_easting,subject_northing"


def records(tmp_path: Path, text: str) -> list[PhotoLabels]:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return list(read_labels(path).values())


@pytest.mark.parametrize(
    ("columns", "row", "metres", "crosses"),
    [
        ("camera,subject", "TQ 299 804,TQ 302 808", 500, True),
        ("camera,subject", "O 159 340,o159344", 400, False),
        ("camera,subject", "TQ 29912 80433,TQ 302 804", 290, True),
        ("camera,subject", '"51.50775, -0.12794","51.50775,-0.11356"', 998, True),
        ("camera,subject", ",TQ 302 808", None, None),
        ("camera,subject", "TQ 29 80,TQ 30 80", None, True),
        ("camera,subject,distance", "TQ 299 804,TQ 302 808,40", 40, True),
        ("camera,subject,distance", "TQ 299 804,TQ 302 808,Unknown", 500, True),
        (GEOGRAPHIC, "51.50775,-0.12794,51.50775,-0.11356", 998, True),
        (f"{ON_GRID},figures", "TQ 299 804,osgb,530200,180800,6", 500, True),
        (f"{ON_GRID},subject_figures", "TQ 299 804,osgb,530000,180000,4", None, True),
    ],
)
def test_places_come_from_any_columns(
    tmp_path: Path, columns: str, row: str, metres: float | None, crosses: bool | None
) -> None:
    (record,) = records(tmp_path, f"photo,{columns}\na.jpg,{row}\n")
    assert record.error is None
    assert record.distance.metres == pytest.approx(metres, abs=3)
    assert record.distance.crosses_grid is crosses
    known = record.distance != Distance.unknown()
    assert record.distance.source is (DistanceSource.STATED if known else DistanceSource.UNKNOWN)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("TQ 29,TQ 302 808", "these are 2 and 0|too coarse"),
        ("somewhere,TQ 302 808", "SOMEWHERE is too long"),
        ('"51.5,",TQ 302 808', "is not a latitude and longitude"),
        ("TQ 299 804,O 159 340", "osgb grid, subject on the irish"),
        ('"48.85,2.35",TQ 302 808', "on neither grid"),
    ],
)
def test_a_bad_place_costs_its_photo_only(tmp_path: Path, row: str, message: str) -> None:
    text = f"photo,camera,subject\na.jpg,{row}\nb.jpg,TQ 299 804,TQ 299 804\n"
    bad, good = records(tmp_path, text)
    assert bad.distance == Distance.unknown()
    assert any(part in (bad.error or "") for part in message.split("|"))
    assert (good.error, good.distance.metres) == (None, 0.0)


def test_a_record_keeps_what_exif_may_complete(tmp_path: Path) -> None:
    (record,) = records(tmp_path, "photo,subject\na.jpg,TQ 305 805\n")
    assert record.distance == Distance.unknown()
    best = best_distance(record.places, Places(camera=LONDON)).distance
    assert (best.basis, best.source) == (DistanceBasis.POSITIONS, DistanceSource.CSV_AND_EXIF)
