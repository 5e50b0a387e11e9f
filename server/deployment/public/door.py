"""Who may hold a connection to the public port, before and after it has shown that it is a registered site's.

Whoever connects is a **stranger** until a request on that connection is signed by the key of a registered site. Places
of strangers are few, by address and in all, and are theirs for a moment only. When they are taken, the stranger who has
waited longest makes room for the newcomer: the one of the same address, or of the address that holds most of them. So
idle connections, however many, keep nobody out, and hundreds of hospitals behind one address (a NAT, a firewall that
passes TLS on) fit: each is a stranger for the second that its first request takes. After that it counts among the
connections of its site.

This file decides only; `fedgraft.server.deployment.public.public_port` has the sockets.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

Peer = tuple[str, int]
"""Address and port of the other end, which tell connections apart."""
_NETWORK_BITS = 64


@dataclass(frozen=True)
class Places:
    """How many connections are held at once.

    Attributes:
        all: of strangers and sites together.
        strangers: of these, on which no registered site has signed yet.
        of_one_address: of these, from one IPv4 address or one IPv6 network of 64 bits, which is what a customer gets.
        of_one_site: on which one site has signed; Flower's SuperNode holds fewer than twenty.
    """

    all: int = 4096
    strangers: int = 1024
    of_one_address: int = 128
    of_one_site: int = 64


@dataclass(eq=False)
class Guest:
    """A connection that is held. ``since``: when it came, in seconds; ``site``: the key that has signed on it."""

    peer: Peer
    close: Callable[[], object]
    since: float
    site: str | None = None


class Door:
    """The connections that are held now."""

    def __init__(self, places: Places | None = None) -> None:
        self.places = Places() if places is None else places
        self._guests: dict[Peer, Guest] = {}
        self._strangers: dict[str, dict[Guest, None]] = {}  # by address, in order of arrival
        self._of_site: Counter[str] = Counter()

    @property
    def strangers(self) -> int:
        """Connections on which no registered site has signed."""
        return len(self._guests) - self._of_site.total()

    def enter(self, peer: Peer, close: Callable[[], object], now: float) -> Guest | None:
        """A place for a new connection, or ``None`` if all are taken by sites.

        Args:
            close: ends the connection at once; called at most once, and not after `leave`.
        """
        network = network_of(peer[0])
        if len(self._strangers.get(network, {})) >= self.places.of_one_address:
            self._turn_out_first(network)
        elif self.strangers >= self.places.strangers or len(self._guests) >= self.places.all:
            if not self._strangers:
                return None
            self._turn_out_first(max(self._strangers, key=lambda other: len(self._strangers[other])))
        guest = Guest(peer, close, now)
        self._guests[peer] = guest
        self._strangers.setdefault(network, {})[guest] = None
        return guest

    def welcome(self, peer: Peer | None, site: str) -> bool:
        """Note that a site has signed on a connection; false if it holds as many connections as it may.

        Args:
            site: the fingerprint of its key.
        """
        guest = None if peer is None else self._guests.get(peer)
        if guest is None or guest.site is not None:  # it was closed meanwhile, or is known
            return True
        if self._of_site[site] >= self.places.of_one_site:
            return False
        self._forget_stranger(guest)
        guest.site = site
        self._of_site[site] += 1
        return True

    def turn_out(self, guest: Guest) -> None:
        """Close a connection, if it is held."""
        if self._guests.get(guest.peer) is guest:
            self.leave(guest)
            guest.close()

    def turn_out_peer(self, peer: Peer | None) -> None:
        """Close the connection to ``peer``, if it is held."""
        if peer is not None and peer in self._guests:
            self.turn_out(self._guests[peer])

    def turn_out_strangers(self, moment: float) -> None:
        """Close the connections of strangers that came before a moment, in seconds."""
        for guest in [guest for held in self._strangers.values() for guest in held if guest.since < moment]:
            self.turn_out(guest)

    def leave(self, guest: Guest) -> None:
        """Note that a connection has ended; its place is free."""
        if self._guests.get(guest.peer) is not guest:
            return
        del self._guests[guest.peer]
        if guest.site is None:
            self._forget_stranger(guest)
        else:
            self._of_site[guest.site] -= 1
            if not self._of_site[guest.site]:
                del self._of_site[guest.site]

    def _turn_out_first(self, network: str) -> None:
        self.turn_out(next(iter(self._strangers[network])))

    def _forget_stranger(self, guest: Guest) -> None:
        network = network_of(guest.peer[0])
        held = self._strangers[network]
        del held[guest]
        if not held:
            del self._strangers[network]


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, also one written as IPv6; the first 64 bits of an IPv6 address."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _NETWORK_BITS), strict=False))
