import pytest

from geograph_types.tags import final_tags, same_tags
from geograph_types.taxonomy import CLASSES
from geograph_types.thresholds import CertainThreshold, StateThresholds

HALF = StateThresholds(dict.fromkeys(CLASSES, 0.5))
SURE = StateThresholds(HALF.tags, {name: CertainThreshold(0.75, 0.5) for name in CLASSES[:5]})


def scores(**given: float) -> list[float]:
    return [given.get(name.replace(" ", "_"), 0.01) for name in CLASSES]


FAR = {"Cross_Far": 0.8, "Geograph": 0.6}
GUESS = {"Cross_Far": 0.9, "Geograph": 0.3}


@pytest.mark.parametrize(
    ("given", "crosses", "tags", "guessed"),
    [
        # The best class is a guess where none reaches its threshold.
        ({"Extra": 0.3}, None, "Extra", True),
        # A long view stands for Cross Grid where positions are missing.
        (FAR, None, "Cross Grid,Geograph", False),
        ({"Cross_Far": 0.2}, None, "Cross Grid", True),
        # Geometry decides where positions are known.
        (FAR, False, "Geograph", False),
        ({"Geograph": 0.6}, True, "Cross Grid,Geograph", False),
        # It does not hide that the picture told nothing, and what it confirms is no guess.
        (GUESS, False, "Geograph", True),
        ({"Geograph": 0.3}, True, "Cross Grid,Geograph", True),
        (GUESS, True, "Cross Grid", False),
    ],
)
def test_decisions(given: dict[str, float], crosses: bool | None, tags: str, guessed: bool) -> None:
    found = final_tags(scores(**given), HALF, crosses)
    assert (found.tags, found.low_confidence) == (tuple(tags.split(",")), guessed)
    assert found.certain == (("Cross Grid",) if crosses else ())  # geometry is sure


def test_classes_at_or_above_their_threshold_in_class_order() -> None:
    values = scores(Geograph=0.5, Aerial=0.7, Inside=0.89)
    thresholds = StateThresholds(HALF.tags | {"Inside": 0.9})
    assert final_tags(values, thresholds, None).tags == ("Aerial", "Geograph")


def test_certain_are_the_tags_that_reach_their_own_threshold() -> None:
    found = final_tags(scores(Aerial=0.8, Extra=0.75, Geograph=0.7, Inside=0.99), SURE, None)
    assert found.tags == ("Aerial", "Extra", "Geograph", "Inside")
    assert found.certain == ("Aerial", "Extra")
    assert final_tags(scores(Cross_Far=0.9), SURE, None).certain == ("Cross Grid",)
    assert final_tags(scores(Cross_Far=0.9), SURE, False).certain == ()


@pytest.mark.parametrize(
    ("tags", "moderators", "same"),
    [
        ("Geograph,Inside", "Inside, Geograph", True),
        ("From Drone", "From Above", True),
        ("From Drone", "From Above,From Drone", True),
        ("Cross Grid", "Cross Grid", True),
        ("Geograph", "Geograph,Inside", False),
        ("Geograph,Inside", "Geograph", False),
        ("Geograph", "geograf", False),
    ],
)
def test_moderators_tags_are_compared_as_a_set(tags: str, moderators: str, same: bool) -> None:
    assert same_tags(tuple(tags.split(",")), moderators) is same
