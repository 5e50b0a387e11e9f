"""Who gets a place at the public port, and who makes room: small numbers, no sockets."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fedgraft.server.deployment.public.door import Door, Guest, Places, network_of
from fedgraft.server.deployment.public.public_port import fitted

PLACES = Places(all=6, strangers=4, of_one_address=2, of_one_site=2)


class Street:
    """A door, and who was turned out, in order."""

    def __init__(self, places: Places = PLACES) -> None:
        self.door, self.out, self._next = Door(places), list[tuple[str, int]](), 0

    def comes(self, address: str, now: float = 0.0) -> Guest | None:
        self._next += 1
        peer = address, self._next
        return self.door.enter(peer, lambda: self.out.append(peer), now)

    def site(self, address: str, key: str) -> bool:
        guest = self.comes(address)
        assert guest is not None
        return self.door.welcome(guest.peer, key)


def test_the_longest_waiting_of_an_address_makes_room_for_its_next() -> None:
    street = Street()
    for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.1"):
        assert street.comes(address) is not None
    assert street.out == [("10.0.0.1", 1), ("10.0.0.1", 2)]
    assert street.door.strangers == 3


def test_when_all_places_are_taken_the_address_with_most_strangers_makes_room() -> None:
    street = Street()
    for address in ("10.0.0.3", "10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.4"):
        assert street.comes(address) is not None
    assert street.out == [("10.0.0.2", 3)]


def test_hundreds_of_sites_behind_one_address_fit() -> None:
    street = Street(Places())
    assert all(street.site("10.0.0.1", f"key {number % 400}") for number in range(1_200))
    assert street.out == [] and street.door.strangers == 0
    for _ in range(2_000):
        assert street.comes("10.0.0.1") is not None
    assert len(street.out) == 2_000 - 128, "strangers at the very same address turn out strangers only"
    assert min(number for _, number in street.out) > 1_200


def test_places_that_sites_hold_are_never_taken_from_them() -> None:
    street = Street()
    assert all(street.site(f"10.0.1.{number}", f"key {number}") for number in range(6))
    assert street.comes("10.0.0.1") is None and street.out == []


def test_a_site_holds_as_many_connections_as_it_may() -> None:
    street = Street()
    assert [street.site("10.0.0.1", "key") for _ in range(3)] == [True, True, False]
    assert street.site("10.0.0.1", "other")


def test_a_place_is_free_again_when_its_connection_ends() -> None:
    street = Street()
    first = street.comes("10.0.0.1")
    assert first is not None and street.door.welcome(first.peer, "key") and street.door.welcome(first.peer, "key")
    second = street.comes("10.0.0.1")
    assert second is not None and street.door.strangers == 1
    for guest in (first, first, second):
        street.door.leave(guest)
    assert street.door.strangers == 0
    street.door.turn_out(first)
    street.door.turn_out_peer(second.peer)
    street.door.turn_out_peer(None)
    assert street.out == [], "it is closed already"
    assert street.door.welcome(first.peer, "key"), "a connection that was closed meanwhile"
    assert [street.site("10.0.0.1", "key") for _ in range(3)] == [True, True, False]


def test_strangers_stay_for_a_while_only() -> None:
    street = Street()
    old, site, new = street.comes("10.0.0.1", 1.0), street.comes("10.0.0.2", 1.0), street.comes("10.0.0.3", 2.0)
    assert old is not None and site is not None and new is not None and street.door.welcome(site.peer, "key")
    street.door.turn_out_strangers(2.0)
    assert street.out == [old.peer] and street.door.strangers == 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_what_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_places_fit_into_the_files_that_a_process_may_open() -> None:
    assert fitted(Places(), 4864) == Places()
    assert fitted(Places(), 2816) == Places(2048, 512, 64, 64)
    assert fitted(Places(), 256) == Places(16, 4, 4, 64)


def test_the_limit_of_open_files_is_raised_as_far_as_it_may() -> None:
    """In a process of its own, whose limits then stay as they are."""
    code = """
import resource
from fedgraft.server.deployment.public.door import Places
from fedgraft.server.deployment.public.public_port import places_within_limits
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2816))
print(places_within_limits(Places()), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{Places(2048, 512, 64, 64)} 2816 2816"
