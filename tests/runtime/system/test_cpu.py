"""Threads follow the container's quota."""

from pathlib import Path

import pytest

from geograph_types.system.cpu import usable_cpus


def cgroup_v2(folder: Path, text: str) -> Path:
    (folder / "cpu.max").write_text(text)
    return folder


def test_a_quota_below_the_processors_limits_them(tmp_path: Path) -> None:
    assert usable_cpus(cgroup_v2(tmp_path, "50000 100000\n")) == 1
    assert usable_cpus(cgroup_v2(tmp_path, "100000 100000\n")) == 1


@pytest.mark.parametrize("text", ["max 100000\n", "100000000 100000\n", "nonsense", "1 0", ""])
def test_no_quota_or_a_large_or_unreadable_one_leaves_all(tmp_path: Path, text: str) -> None:
    assert usable_cpus(cgroup_v2(tmp_path, text)) == usable_cpus(tmp_path / "nothing") >= 1


def test_the_quota_of_a_systemd_unit_counts_and_that_of_its_slice(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/system.slice/types.service\n")
    unit = tmp_path / "system.slice" / "types.service"
    unit.mkdir(parents=True)
    cgroup_v2(unit, "max 100000\n")
    assert usable_cpus(tmp_path, own) == usable_cpus(tmp_path / "nothing")
    cgroup_v2(unit, "100000 100000\n")
    assert usable_cpus(tmp_path, own) == 1
    cgroup_v2(unit, "max 100000\n")
    cgroup_v2(unit.parent, "50000 100000\n")
    assert usable_cpus(tmp_path, own) == 1


def test_version_1_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("20000\n")
    assert usable_cpus(tmp_path) == 1
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert usable_cpus(tmp_path) == usable_cpus(tmp_path / "nothing")


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
def test_the_quota_of_a_nested_group_of_version_1_counts(
    tmp_path: Path, own_folder: str, limited: str
) -> None:
    own = tmp_path / "own"
    own.write_text("12:memory:/other\n4:cpu,cpuacct:/docker/4f/nested\n0::/\n")
    (tmp_path / "cpu" / own_folder).mkdir(parents=True)
    group = tmp_path / "cpu" / limited
    (group / "cpu.cfs_period_us").write_text("100000\n")
    (group / "cpu.cfs_quota_us").write_text("50000\n")
    assert usable_cpus(tmp_path, own) == 1
    (group / "cpu.cfs_quota_us").write_text("-1\n")
    assert usable_cpus(tmp_path, own) == usable_cpus(tmp_path / "nothing")
