import asyncio
import multiprocessing
import stat
from pathlib import Path

import pytest

from central.base import bus
from central.base.settings import Settings, SettingsError
from tests.fakes.nats_client import PublishingClient


def _read_password(data_dir: str, found: "multiprocessing.Queue[str]") -> None:
    found.put(bus.broker_credentials(Settings(data_dir=data_dir)).password)


class TestBrokerCredentials:
    def test_made_once_and_readable_by_the_owner_only(self, tmp_path):
        settings = Settings(data_dir=str(tmp_path / "data"))
        first = bus.broker_credentials(settings)
        assert first == bus.broker_credentials(settings)
        assert (first.user, len(first.password) >= 43) == ("central", True)
        files = list((tmp_path / "data").iterdir())
        assert [file.name for file in files] == ["broker.password"]
        assert stat.S_IMODE(files[0].stat().st_mode) == 0o600

    def test_processes_starting_together_agree(self, tmp_path):
        context = multiprocessing.get_context("spawn")
        found = context.Queue()
        processes = [context.Process(target=_read_password, args=(str(tmp_path), found)) for _ in range(4)]
        for process in processes:
            process.start()
        passwords = {found.get(timeout=30) for _ in processes}
        for process in processes:
            process.join()
        found.close()
        found.join_thread()
        assert len(passwords) == 1

    def test_an_external_brokers_password_comes_from_its_file(self, tmp_path):
        path = tmp_path / "secret"
        settings = Settings(broker="external", broker_url="tls://b:4222", broker_password_file=str(path))
        with pytest.raises(SettingsError, match="name a readable file"):
            bus.broker_credentials(settings)
        path.write_text("geheim\n")
        assert bus.broker_credentials(settings).password == "geheim"
        assert bus.broker_url(settings) == "tls://b:4222"
        assert bus.broker_tls(settings) is None

    @pytest.mark.parametrize("content", [None, b"no certificate"])
    def test_an_external_brokers_anchor_that_cannot_be_used_is_named(self, tmp_path, content):
        path = tmp_path / "anchor.crt"
        if content is not None:
            path.write_bytes(content)
        settings = Settings(broker="external", broker_ca_file=str(path))
        with pytest.raises(SettingsError, match=r"broker_ca_file names .* name a PEM file"):
            bus.broker_tls(settings)


def test_nats_nudges_come_from_any_thread_and_never_raise():
    client = PublishingClient()

    async def scenario():
        nudger = bus.NatsBus(client, asyncio.get_running_loop())
        await asyncio.to_thread(nudger.nudge, "central.outbox")
        client.fails = True
        await asyncio.to_thread(nudger.nudge, "central.outbox")
        await asyncio.sleep(0)
        client.fails = False
        nudger.nudge("central.positions", b"[]")
        for _ in range(5):
            await asyncio.sleep(0)
        return nudger

    nudger = asyncio.run(scenario())
    nudger.nudge("central.outbox")  # the loop is gone
    assert client.published == [("central.outbox", b""), ("central.positions", b"[]")]


def test_a_silent_bus_says_nothing():
    bus.SilentBus().nudge("central.outbox")
    assert bus.mailbox_subject("dl-2901-01") == "central.mailbox.dl-2901-01"


def test_the_password_file_is_never_half_written(tmp_path):
    settings = Settings(data_dir=str(tmp_path))
    Path(tmp_path / "broker.password").write_text("older")
    assert bus.broker_credentials(settings).password == "older"
