import pytest

from geograph_types.errors import RowError, RowFault
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.labels import CrossGridRule, target_of, targets_of


def names(types: str, distance: str, rule: CrossGridRule = CrossGridRule.DISTANCE) -> set[str]:
    labels = target_of(types, distance, rule).labels
    return {name for name, on in zip(CLASSES, labels, strict=True) if on}


@pytest.mark.parametrize(
    ("types", "distance", "expected"),
    [
        ("Cross Grid", "512", {"Cross Far"}),
        ("Cross Grid", "257", {"Cross Far"}),
        ("Cross Grid", "256", {"Geograph"}),
        ("Cross Grid", "", {"Geograph"}),
        ("Cross Grid", "Unknown", {"Geograph"}),
        ("Cross Grid,Inside", "16", {"Inside"}),
        ("Cross Grid,Inside", "Unknown", {"Inside"}),
        ("Cross Grid, Close Look", "4096", {"Cross Far", "Close Look"}),
        ("From Above", "16", {"From Drone"}),
        ("From Above,From Drone", "16", {"From Drone"}),
        ("Aerial,Geograph,Extra", "0", {"Aerial", "Geograph", "Extra"}),
        ("Geograph,,", "0", {"Geograph"}),
    ],
)
def test_rules(types: str, distance: str, expected: set[str]) -> None:
    assert names(types, distance) == expected


def test_simpler_rule_ignores_the_distance() -> None:
    for distance in ("", "16", "512", "Unknown"):
        assert names("Cross Grid", distance, CrossGridRule.ALWAYS) == {"Cross Far"}
        assert names("Cross Grid,Inside", distance, CrossGridRule.ALWAYS) == {"Cross Far", "Inside"}
    many = targets_of(["Cross Grid"], ["16"], CrossGridRule.ALWAYS)
    assert many.labels.tolist() == [list(target_of("Cross Grid", "512").labels)]


def test_pseudo_drone_is_told_from_true_drone() -> None:
    texts = ("From Above", "From Drone", "From Above,From Drone", "Aerial")
    assert [target_of(text, "").pseudo_drone for text in texts] == [True, False, False, False]


@pytest.mark.parametrize(
    ("types", "distance", "fault", "detail"),
    [
        ("", "16", RowFault.NO_TAG, "types is empty"),
        (" , ", "16", RowFault.NO_TAG, "types is empty"),
        ("Z,Cross Far", "16", RowFault.UNKNOWN_TAG, "'Cross Far' is not a Type"),
        ("Geograph,geograph", "16", RowFault.UNKNOWN_TAG, "'geograph' is not a Type"),
        ("Geograph", "banana", RowFault.BAD_DISTANCE, "'banana' is not a distance"),
        ("Geograph", "-3", RowFault.BAD_DISTANCE, "'-3' is not a distance"),
    ],
)
def test_faults_name_their_row(types: str, distance: str, fault: RowFault, detail: str) -> None:
    with pytest.raises(RowError) as caught:
        targets_of(["Inside", types], ["16", distance], first_row=41)
    assert (caught.value.fault, caught.value.row) == (fault, 42)
    assert caught.value.detail.startswith(detail)
    with pytest.raises(RowError, match=r"^row 1: "):
        targets_of([types], [distance])


def test_many_rows_are_read_as_one_by_one() -> None:
    types = ["Cross Grid", "From Above", "Cross Grid,Extra", "Cross Grid"]
    distances = ["1024", "Unknown", "", "8"]
    targets = targets_of(types, distances)
    one_by_one = [target_of(*texts) for texts in zip(types, distances, strict=True)]
    assert targets.labels.tolist() == [list(target.labels) for target in one_by_one]
    assert targets.buckets.tolist() == [11, 22, 0, 4]
    assert targets.pseudo_drone.tolist() == [False, True, False, False]
    for found in (targets, targets_of([], [])):
        types = [part.dtype for part in (found.labels, found.buckets, found.pseudo_drone)]
        assert types == ["uint8", "int64", "bool"]
        assert found.labels.shape[1:] == (len(CLASSES),)


def test_tags_without_distances_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        targets_of(["Geograph", "Inside"], ["16"])
