"""A new key for a site, while runs go on: the old key signs the request, the new one signs that it is meant.

The new pair lies beside the old one (``.new``) until the coordinator knows it; cut off anywhere, the same command goes
on. The SuperNode, which knows the old key, is refused at its next call and started again with the new one.
"""

from __future__ import annotations

from pathlib import Path

from fedgraft.client.membership.asking import ask
from fedgraft.client.site.keys import make_key_pair, public_path
from fedgraft.client.site.site_file import Coordinator
from fedgraft.common.errors import DeploymentError
from fedgraft.common.membership import rekeying
from fedgraft.common.runtime.files import flush
from fedgraft.common.runtime.ssh_keys import key_fingerprint


def rekey(name: str, coordinator: Coordinator) -> tuple[str, str]:
    """Make a new key, have the coordinator know it, and put it in the old one's place.

    Returns:
        the fingerprints of the old and of the new key.

    Raises:
        DeploymentError: the coordinator can't be reached, or knows neither key.
    """
    key = coordinator.key
    new, old_print = key.with_name(key.name + ".new"), key_fingerprint(public_path(key))
    if not (new.is_file() and public_path(new).is_file()):
        for half in (new, public_path(new)):
            half.unlink(missing_ok=True)
        make_key_pair(new, name)
    content = rekeying(name, new)
    if not ask(coordinator, content, key) and not ask(coordinator, content, new):  # the second: it was cut off before
        raise DeploymentError(
            f"the coordinator at {coordinator.address} knows neither the site's key nor the new one ({new}); have it "
            f"register {public_path(key)} again, or set this machine's clock by NTP"
        )
    new_print = key_fingerprint(public_path(new))
    public_path(new).replace(public_path(key))
    new.replace(key)
    flush(Path(key.parent))
    return old_print, new_print
