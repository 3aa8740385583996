"""Two processes watch one register: who must lose a session is told by each, whoever applied the register first."""

from central.devices.service import KitDirectory
from central.sync.registry import RegistryWatch


def test_a_revocation_applied_by_another_process_still_ends_sessions_here(new_centre):
    centre = new_centre()
    first = RegistryWatch(centre.settings, centre.store, KitDirectory())
    second = RegistryWatch(centre.settings, centre.store, KitDirectory())
    for watch in (first, second):
        watch.poll()
    revoke(centre, "dl-2901-02")
    assert first.poll() == ["dl-2901-02"]
    assert second.poll() == ["dl-2901-02"]
    assert second.poll() == [], "told once"


def test_a_later_register_does_not_end_them_again(new_centre):
    centre = new_centre()
    watch = RegistryWatch(centre.settings, centre.store, KitDirectory())
    revoke(centre, "dl-2901-02")
    watch.poll()
    revoke(centre, "yb-2922-01")
    assert watch.poll() == ["yb-2922-01"]


def revoke(centre, kit_id):
    centre.revoked.add(kit_id)
    centre.write_registry()
