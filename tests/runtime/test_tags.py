"""Final tags: thresholds, the best guess, and geometry's word on Cross Grid."""

from geograph_types.tags import final_tags, same_tags
from geograph_types.taxonomy import CLASSES

HALF = dict.fromkeys(CLASSES, 0.5)


def scores(**given: float) -> list[float]:
    return [given.get(name.replace(" ", "_"), 0.01) for name in CLASSES]


def test_classes_at_or_above_their_threshold_in_class_order() -> None:
    thresholds = HALF | {"Inside": 0.9}
    values = scores(Geograph=0.5, Aerial=0.7, Inside=0.89)
    assert final_tags(values, thresholds, None) == (("Aerial", "Geograph"), False)


def test_the_best_class_is_a_guess_where_none_reaches_its_threshold() -> None:
    assert final_tags(scores(Extra=0.3), HALF, None) == (("Extra",), True)


def test_a_long_view_stands_for_cross_grid_where_positions_are_missing() -> None:
    values = scores(Cross_Far=0.8, Geograph=0.6)
    assert final_tags(values, HALF, None) == (("Cross Grid", "Geograph"), False)
    assert final_tags(scores(Cross_Far=0.2), HALF, None) == (("Cross Grid",), True)


def test_geometry_decides_where_positions_are_known() -> None:
    long_view = scores(Cross_Far=0.8, Geograph=0.6)
    near = scores(Geograph=0.6)
    assert final_tags(long_view, HALF, False) == (("Geograph",), False)
    assert final_tags(near, HALF, True) == (("Cross Grid", "Geograph"), False)


def test_geometry_does_not_hide_that_the_picture_told_nothing() -> None:
    assert final_tags(scores(Cross_Far=0.9, Geograph=0.3), HALF, False) == (("Geograph",), True)
    assert final_tags(scores(Geograph=0.3), HALF, True) == (("Cross Grid", "Geograph"), True)


def test_a_long_view_that_geometry_confirms_is_no_guess() -> None:
    assert final_tags(scores(Cross_Far=0.9, Geograph=0.3), HALF, True) == (("Cross Grid",), False)


def test_moderators_tags_are_compared_as_a_set() -> None:
    assert same_tags(("Geograph", "Inside"), "Inside, Geograph")
    assert same_tags(("From Drone",), "From Above")
    assert same_tags(("From Drone",), "From Above,From Drone")
    assert same_tags(("Cross Grid",), "Cross Grid")
    assert not same_tags(("Geograph",), "Geograph,Inside")
    assert not same_tags(("Geograph", "Inside"), "Geograph")
    assert not same_tags(("Geograph",), "geograf")
