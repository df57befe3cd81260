"""What Dockerfile, compose.yaml and the service itself have to agree on."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instruction(name: str) -> str:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE.replace("\\\n", ""), re.MULTILINE)[-1]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return compose["services"]["geograph-types"]


def test_the_health_check_is_that_of_the_service(
    tiny_bundle: Path, start_service: Callable[..., Any]
) -> None:
    words = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    running = start_service(tiny_bundle)
    asked = [word.replace("8000", str(running.port)) for word in words[1:]]
    assert subprocess.run([sys.executable, *asked]).returncode == 0
    running.process.terminate()
    running.process.wait(20)
    refused = subprocess.run([sys.executable, *asked], capture_output=True)
    assert refused.returncode == 1


def test_ports_places_and_limits_fit_each_other(service: dict[str, Any]) -> None:
    port = instruction("EXPOSE")
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f":{port}/health" in instruction("HEALTHCHECK")
    words = json.loads(instruction("CMD"))
    assert service["volumes"] == [f"./model:{words[words.index('--bundle') + 1]}:ro"]
    assert [f"/run/secrets/{name}" for name in service["secrets"]] == [words[-1]]
    assert service["read_only"] is True
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", instruction("USER"))
    page = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
    (memory,) = re.findall(r"^MemoryMax=(\d+)M$", page, re.MULTILINE)
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", page, re.MULTILINE)
    (tasks,) = re.findall(r"^TasksMax=(\d+)$", page, re.MULTILINE)
    limits = (f"{memory}m", f"{memory}m", f"{seconds}s", int(tasks))
    given = ("mem_limit", "memswap_limit", "stop_grace_period", "pids_limit")
    assert tuple(service[name] for name in given) == limits
