"""No packet reaches an address that is not on the internet, whatever names and proxies say."""

import json
import os
import subprocess
import sys
from ipaddress import ip_network
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from private_network import PROXY_PORT

from geograph_types.worker.public import is_public

# Source: IANA IPv4 and IPv6 Special-Purpose Address Registries, IANA IPv6 Address Space, and
# multicast; read in 2026.
RESERVED_V4 = """
0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/31 192.0.0.192/32 192.0.2.0/24
192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24
198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
168.63.129.16/32
"""
RESERVED_V6 = """
::1/128 ::/128 ::/96 ::ffff:0:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32
2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28
2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 4000::/3 5f00::/16
fc00::/7 fe80::/10 fec0::/10 ff00::/8
"""
NETWORKS_V4 = [ip_network(one) for one in RESERVED_V4.split()]
NETWORKS_V6 = [ip_network(one) for one in RESERVED_V6.split()]
MAPPED = [f"::ffff:{network[0]}" for network in NETWORKS_V4]
NAT64 = [f"64:ff9b::{network[-1]}" for network in NETWORKS_V4]
ENDS = [str(network[place]) for network in NETWORKS_V4 + NETWORKS_V6 for place in (0, -1)]
INSIDE = {*ENDS, *MAPPED, *NAT64}
OTHER_SPELLINGS = ["2130706433", "127.1", "0x7f.1", "017700000001"]

PROXY = f"http://1.1.1.1:{PROXY_PORT}"
PROXIES: dict[str, dict[str, str]] = {
    "none": {},
    "FTP_PROXY": {"FTP_PROXY": PROXY},
    "NO_PROXY": {"NO_PROXY": "example.org"},
    "no_proxy of all": {"no_proxy": "*", "http_proxy": PROXY},
    "another scheme": {"HTTPS_PROXY": PROXY},
    "excepted": {"http_proxy": PROXY, "no_proxy": ".test"},
    "HTTP_PROXY": {"HTTP_PROXY": PROXY},
    "ALL_PROXY": {"ALL_PROXY": PROXY.removeprefix("http://")},
}
CARRIED = ("HTTP_PROXY", "ALL_PROXY")


def test_reserved_addresses_are_not_public_and_their_neighbours_are() -> None:
    assert not [address for address in sorted(INSIDE) if is_public(address)]
    assert not any(map(is_public, ["", "banana", "fe80::1%eth0", "2a00::1%eth0", "8.8.8.8.8"]))
    neighbours = (
        "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 "
        "169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 "
        "192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 168.63.129.15 168.63.129.17 "
        "2001:200:: 2001:db7:ffff:: 2001:db9:: 2003:: 2a00:1450:4009::1 2620:4f:8001:: "
        "3ffe:ffff:: ::ffff:8.8.8.8 64:ff9b::8.8.8.8"
    )
    assert [address for address in neighbours.split() if not is_public(address)] == []


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Ask for addresses in a network of its own, each with an environment."""
    folder = tmp_path_factory.mktemp("network")
    inside = ["unshare", "--net", "--mount"]
    allowed = subprocess.run([*inside, "true"], capture_output=True, check=False).returncode == 0
    if not allowed:
        pytest.skip("needs root, to make a network namespace")
    certificate = folder / "public.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=public.test -addext"
    command += f" subjectAltName=DNS:public.test -keyout {certificate}.key -out {certificate}.crt"
    subprocess.run(command.split(), check=True, capture_output=True)
    parts = [Path(f"{certificate}{suffix}").read_text() for suffix in (".key", ".crt")]
    certificate.write_text("".join(parts))
    program = Path(__file__).parents[2] / "support" / "private_network.py"
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}

    def run(cases: list[tuple[str, dict[str, str]]]) -> list[dict[str, Any]]:
        done = subprocess.run(
            [*inside, sys.executable, str(program), str(folder)],
            input=json.dumps(cases),
            capture_output=True,
            text=True,
            env=plain | {"SSL_CERT_FILE": str(certificate)},
        )
        assert done.returncode == 0, done.stderr
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers

    return run


def is_refused(answer: dict[str, Any]) -> bool:
    return answer["outcome"].startswith("PrivateAddressError: host ") and not answer["reached"]


def address_of(host: str, scheme: str = "http") -> str:
    return f"{scheme}://[{host}]/x.jpg" if ":" in host else f"{scheme}://{host}/x.jpg"


def test_no_reserved_address_is_reached_with_any_proxy_variable(ask: Any) -> None:
    hosts = sorted(INSIDE) + OTHER_SPELLINGS
    cases = [(address_of(host), PROXIES[name]) for host, name in product(hosts, PROXIES)]
    assert len(cases) > 800
    for case, answer in zip(cases, ask(cases), strict=True):
        assert is_refused(answer), case


@pytest.mark.parametrize("name", PROXIES)
def test_a_name_is_looked_up_once_and_only_checked_addresses_are_reached(
    ask: Any, name: str
) -> None:
    hosts = ["public.test", "changing.test", "changing.test", "six.test"]
    refused = ["inside.test", "inside-six.test", "mixed.test", "mapped.test"]
    cases = [(address_of(host), PROXIES[name]) for host in [*hosts, *refused, "nobody.test"]]
    public, first, second, six, *others, nobody = answers = ask(cases)
    if name in CARRIED:
        reached = [[at[:2] for at in answer["reached"]] for answer in answers]
        assert reached == [[["::ffff:1.1.1.1", PROXY_PORT]]] * len(cases)
        return
    assert public == {"outcome": "ok", "reached": [["::ffff:8.8.8.8", 80, "public.test"]]}
    assert first == {"outcome": "ok", "reached": [["::ffff:8.8.8.8", 80, "changing.test"]]}
    assert six == {"outcome": "ok", "reached": [["2a00:1450:4009::1", 80, "six.test"]]}
    assert all(map(is_refused, (second, *others)))
    assert nobody["outcome"].startswith("RequestError: ")
    assert nobody["reached"] == []


def test_tls_is_for_the_name_and_not_for_the_address(ask: Any) -> None:
    good, bad = ask([(address_of(host, "https"), {}) for host in ("public.test", "other.test")])
    assert good == {"outcome": "ok", "reached": [["::ffff:8.8.8.8", 443, "public.test"]]}
    assert "certificate verify failed" in bad["outcome"]
    assert bad["reached"] == []
