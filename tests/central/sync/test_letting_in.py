"""Who is let in at the broker, what for, and how long: the real broker asks, the real callout answers."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path

import nats
import pytest
from nats.errors import Error as NatsError

from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import fix_item
from tests.central.sync.pki import DAY, Holder, now
from tests.waiting import wait_until

KIT = "dl-2901-01"


def refused_reason(centre: Centre, code: str, kit_id: str) -> str:
    rows = centre.wait_set_aside(code, kit_id=kit_id)
    return str(rows[-1][2])


class TestRefusal:
    def test_a_client_id_other_than_the_certificates(self, centre: Centre) -> None:
        kit = centre.connect("dl-2901-02", centre.kits[KIT], client_id="dl-2901-02", wait=False)
        assert kit.refused.wait(10)
        assert "is not the certificate's kit" in refused_reason(centre, "foreign_client_id", "dl-2901-02")

    @pytest.mark.parametrize("name", ["dl-2901-*", "kits.>", "a.b.c", "UPPER", "x", "a" * 33])
    def test_a_kit_id_that_could_widen_a_subject(self, centre: Centre, name: str) -> None:
        client_id = f"client-{len(name)}-{name[0]}".lower()
        kit = centre.connect(name, centre.pki.kit(name), client_id=client_id, wait=False)
        assert kit.refused.wait(10)
        assert "is not a kit id" in refused_reason(centre, "bad_name", client_id)

    @pytest.mark.parametrize("client_id", ["dl-2901-*", "kits.>", "dl.2901.01"])
    def test_a_client_id_with_wildcards(self, centre: Centre, client_id: str) -> None:
        kit = centre.connect(KIT, client_id=client_id, wait=False)
        assert kit.refused.wait(10)
        assert "does not allow" in refused_reason(centre, "bad_name", client_id)

    def test_a_kit_the_register_does_not_know(self, centre: Centre) -> None:
        kit = centre.connect("zz-0000-01", centre.pki.kit("zz-0000-01"), wait=False)
        assert kit.refused.wait(10)
        assert "not in the register" in refused_reason(centre, "kit_unknown", "zz-0000-01")

    def test_a_genuine_certificate_whose_serial_is_not_in_the_register(self, centre: Centre) -> None:
        kit = centre.connect("yb-2922-01", centre.pki.kit("yb-2922-01"), wait=False)
        assert kit.refused.wait(10)
        assert "revoked or not in the register" in refused_reason(centre, "serial_refused", "yb-2922-01")

    @pytest.mark.parametrize(
        ("starts", "ends"), [(now() - 9 * DAY, now() - DAY), (now() + 5 * 365 * DAY, now() + 6 * 365 * DAY)]
    )
    def test_dates_that_do_not_hold(self, centre: Centre, starts: datetime.datetime, ends: datetime.datetime) -> None:
        """The broker's own TLS refuses them before anybody is asked."""
        with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
            self.shake_hands(centre, centre.pki.kit(KIT, not_before=starts, not_after=ends))

    def test_certificates_of_other_authorities(self, centre: Centre) -> None:
        stranger = type(centre.pki)()
        for issuer in (stranger.kits_ca, centre.pki.services_ca):
            with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
                self.shake_hands(centre, centre.pki.kit(KIT, issuer=issuer))

    def shake_hands(self, centre: Centre, holder: Holder) -> None:
        import socket

        context = centre.pki.kit_context(holder, centre.folder / "handshake")
        with (
            socket.create_connection(("127.0.0.1", centre.settings.mqtt_port), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            tls.sendall(b"\x10\x0e\0\4MQTT\4\2\0\x3c\0\2aa")
            if not tls.recv(4):  # TLS 1.3 tells of a refused certificate at the first read
                raise ConnectionError("closed")

    def test_the_native_port_is_closed_to_kits(self, centre: Centre) -> None:
        context = ssl.create_default_context(cafile=str(Path(centre.settings.keys_dir) / "services-ca.crt"))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_cert_chain(*(centre.folder / name for name in self.files_of(centre, centre.kits[KIT])))
        url = f"tls://127.0.0.1:{centre.settings.nats_port}"

        async def knock(**credentials: str) -> None:
            client = await nats.connect(url, tls=context, allow_reconnect=False, error_cb=ignore_error, **credentials)
            await client.close()

        for credentials in ({}, {"user": "central", "password": "guess"}, {"user": KIT, "password": "x"}):
            with pytest.raises(NatsError, match="Authorization Violation"):
                asyncio.run(knock(**credentials))
        assert "MQTT port" in refused_reason(centre, "not_mqtt", "")

    def files_of(self, centre: Centre, holder: Holder) -> tuple[str, str]:
        (centre.folder / "native.crt").write_bytes(holder.cert_pem() + centre.pki.kits_ca.cert_pem())
        (centre.folder / "native.key").write_bytes(holder.key_pem())
        return "native.crt", "native.key"


async def ignore_error(_error: Exception) -> None:
    """The exception raised says it already."""


class TestPermissions:
    def test_writing_under_another_kits_name_is_dropped_and_counted(self, centre: Centre) -> None:
        kit = centre.connect(KIT)
        before = centre.scalar("SELECT value FROM counter WHERE name = 'broker.foreign_subject'")
        for qos in (0, 1):
            kit.send_raw("position", b"{}", qos=qos, kit_id="yb-2922-01")
        rows = centre.wait_set_aside("foreign_subject", kit_id=KIT, source="kits.yb-2922-01.up.position")
        assert "refused a publish" in str(rows[0][2])
        wait_until(
            lambda: centre.scalar("SELECT value FROM counter WHERE name = 'broker.foreign_subject'") >= before + 2
        )
        assert (
            centre.scalar("SELECT count(*) FROM set_aside WHERE kit_id = 'yb-2922-01' AND reason = 'unparsable'") == 0
        )

    @pytest.mark.parametrize("topic", ["cmd/yb-2922-01/directive", "cmd/+/directive", "kits/#", "#", "central/#"])
    def test_listening_to_others_is_refused(self, centre: Centre, topic: str) -> None:
        kit = centre.connect(KIT)
        kit.subscribe(topic)
        codes = wait_until(lambda: kit.subscribe_codes.get(topic), 5, "the broker's answer")
        assert codes[0].is_failure


class TestRevocation:
    def test_ends_the_live_session_and_keeps_the_kit_out(self, centre: Centre) -> None:
        centre.kits["dl-2901-02"] = centre.pki.kit("dl-2901-02")
        centre.write_registry()
        kit = centre.connect("dl-2901-02", wait=False)
        if not kit.connected.wait(2):  # the register may be a moment behind the first try
            kit.wait_connected()
        kit.lost.clear()
        kit.refused.clear()
        centre.revoked.add("dl-2901-02")
        centre.write_registry()
        assert kit.lost.wait(5), "the session went on"
        assert kit.refused.wait(10), "the kit came back in"
        assert "revoked" in refused_reason(centre, "kit_unknown", "dl-2901-02")

    def test_a_lost_certificate_does_not_cost_the_kit_its_new_one(self, centre: Centre) -> None:
        old = centre.pki.kit("yb-2922-01")
        centre.kits["yb-2922-01"] = old
        centre.write_registry()
        wait_until(lambda: centre.scalar("SELECT count(*) FROM kit_certificate WHERE serial = :s", s=old.serial))
        first = centre.connect("yb-2922-01")
        centre.revoked_serials["yb-2922-01"] = [old.serial]
        centre.kits["yb-2922-01"] = centre.pki.kit("yb-2922-01")
        centre.write_registry()
        assert first.lost.wait(5)
        second = centre.connect("yb-2922-01", wait=False)
        assert second.connected.wait(15)
        second.send("position", [fix_item(1)], qos=0)
        second.wait_receipted(1)


class TestRegister:
    def test_an_older_or_forged_register_changes_nothing(self, centre: Centre) -> None:
        epoch = centre.epoch
        entries = dict(centre.entries)
        centre.entries.clear()
        centre.write_registry(epoch=epoch - 1)
        centre.wait_set_aside("registry_refused", 1)
        centre.write_registry(epoch=epoch + 5, key=type(centre.pki)().root)
        rows = centre.wait_set_aside("registry_refused", 2)
        assert "epoch" in str(rows[0][2])
        assert "signature" in str(rows[1][2])
        centre.entries.update(entries)
        assert centre.scalar("SELECT epoch FROM registry_state") == epoch
        kit = centre.connect(KIT)
        kit.send("position", [fix_item(1)], qos=0)
        kit.wait_receipted(1)
        centre.epoch = epoch
        centre.write_registry()
