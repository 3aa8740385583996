"""What a zone between two networks is given: a service's certificate of its own, and lists without people in them.

Nothing made here decrypts or receipts anything; a zone that was conquered is replaced by making another.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from provisioning.acting import name_user
from provisioning.authority import Authority
from provisioning.foundation import HANDOVER_FOLDER, KEYS_FOLDER, AlreadyFoundedError, write_server_pair
from provisioning.handover import REGISTRY_FILE, STATE_FILE, TRUST_FILE, ZONE_REGISTRY_FILE
from provisioning.state import open_transaction

CERTIFICATES: Final = ("root", "kits-ca", "services-ca")


def equip_zone(authority: Authority, folder: Path, hosts: Sequence[str]) -> None:
    """Make ``folder``/keys and ``folder``/handover for a zone that kits and inside reach at `hosts`.

    Raises:
        AlreadyFoundedError: one of them exists.
        OSError: a folder cannot be written; what was made is removed.
    """
    made = [folder / KEYS_FOLDER, folder / HANDOVER_FOLDER]
    for place in made:
        if place.exists():
            raise AlreadyFoundedError(f"{place} exists already and is never overwritten: name another folder.")
    try:
        for place in made:
            place.mkdir(parents=True, mode=0o700)
        _fill(authority, made[0], made[1], hosts)
    except BaseException:
        for place in made:
            shutil.rmtree(place, ignore_errors=True)
        raise
    with open_transaction(authority.folder / STATE_FILE) as transaction:
        at_ms = int(authority.clock().timestamp() * 1000)
        transaction.append_log(at_ms, name_user(), "provisioning:zone:equip", ",".join(hosts))


def _fill(authority: Authority, keys: Path, handover: Path, hosts: Sequence[str]) -> None:
    for name in CERTIFICATES:
        shutil.copyfile(authority.folder / f"{name}.crt", keys / f"{name}.crt")
    write_server_pair(keys / "server", authority.services_ca, hosts, now=authority.clock())
    authority.handover.publish_zone_registry()
    shutil.copyfile(authority.folder / ZONE_REGISTRY_FILE, handover / REGISTRY_FILE)
    shutil.copyfile(authority.folder / TRUST_FILE, handover / TRUST_FILE)
