"""A server that others can reach asks who they are, or says that it does not."""

from __future__ import annotations

import socket

import pytest

from pumice.domain.errors import BadSetting
from pumice.service.access.binding import demand_auth, is_loopback
from tests.cli.command import pumice

NEAR = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"]
ANY = "0.0.0.0"  # noqa: S104 - it is refused
FAR = [ANY, "::", "", "192.0.2.1", "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.1", "no.such.host.invalid"]


@pytest.mark.parametrize("host", NEAR)
def test_near(host: str) -> None:
    assert is_loopback(host)
    demand_auth(host, asks=False, insecure=False)


@pytest.mark.parametrize("host", FAR)
def test_far(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(BadSetting, match="--auth keys"):
        demand_auth(host, asks=False, insecure=False)
    demand_auth(host, asks=True, insecure=False)
    demand_auth(host, asks=False, insecure=True)


def test_the_name_of_this_machine_is_what_it_resolves_to() -> None:
    name = socket.gethostname()
    try:
        addresses = {str(place[0]) for *_, place in socket.getaddrinfo(name, None)}
    except OSError:
        addresses = set()
    assert is_loopback(name) == (bool(addresses) and all(map(is_loopback, addresses)))


@pytest.mark.parametrize("host", [ANY, "::"])
def test_the_command_refuses(host: str) -> None:
    done = pumice("serve", "m=tests.support.models:Doubler", "--host", host, "--port", "0")
    assert done.returncode == 2
    assert "without authentication" in done.stderr
    assert "--insecure" in done.stderr
