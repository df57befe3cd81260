from pathlib import Path

import pytest

from geograph_types.system.cpu import usable_cpus

ALL = usable_cpus(Path("/nowhere"))


def cgroup_v2(folder: Path, text: str) -> Path:
    (folder / "cpu.max").write_text(text)
    return folder


def cgroup_v1(folder: Path, quota: int) -> Path:
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    return folder


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("50000 100000\n", 1),
        ("100000 100000\n", 1),
        *((text, ALL) for text in ("max 100000\n", "100000000 100000\n", "nonsense", "1 0", "")),
    ],
)
def test_a_quota_below_the_processors_limits_them(tmp_path: Path, text: str, usable: int) -> None:
    assert usable_cpus(cgroup_v2(tmp_path, text)) == usable >= 1


def test_the_quota_of_a_systemd_unit_counts_and_that_of_its_slice(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/system.slice/types.service\n")
    unit = tmp_path / "system.slice" / "types.service"
    unit.mkdir(parents=True)
    assert usable_cpus(tmp_path, own) == ALL
    for folder in (unit, unit.parent):
        cgroup_v2(folder, "100000 100000\n")
        assert usable_cpus(tmp_path, own) == 1
        cgroup_v2(folder, "max 100000\n")
        assert usable_cpus(tmp_path, own) == ALL


@pytest.mark.parametrize(
    ("own_folder", "limited"),
    [
        ("docker/4f/nested", "docker/4f/nested"),
        ("docker/4f/nested", "docker/4f"),
        ("nested", "nested"),  # in a container, where the path is the host's
        ("nested", "."),
        (".", "."),
    ],
)
def test_nested_groups_of_version_1_count(tmp_path: Path, own_folder: str, limited: str) -> None:
    own = tmp_path / "own"
    own.write_text("12:memory:/other\n4:cpu,cpuacct:/docker/4f/nested\n0::/\n")
    (tmp_path / "cpu" / own_folder).mkdir(parents=True)
    group = tmp_path / "cpu" / limited
    cgroup_v1(group, 50_000)
    assert usable_cpus(tmp_path, own) == 1
    cgroup_v1(group, -1)
    assert usable_cpus(tmp_path, own) == ALL
