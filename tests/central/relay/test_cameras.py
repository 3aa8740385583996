"""Cameras of others, fetched by the process that does it, through the relay to who watches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from central.base.keyring import load_keyring
from central.command import cameras
from central.command import service as command
from central.courts.permissions import Actor
from central.relay import camera_picture
from central.relay.camera_picture import CameraError, open_camera
from contract.live import Frame, Init, State, Told, Type, read_init
from tests.central.relay.filming import FilmedCamera
from tests.central.relay.stand import Socket, Stand
from tests.fakes.pictures import HEIGHT, WIDTH
from tests.waiting import wait_until

ADMIN = Actor("a1", "guanli", "样例管理员", "system_admin", "云29")


@pytest.fixture(scope="module")
def fetching(running_stand: Stand) -> Stand:
    running_stand.centre.start("cameras")
    return running_stand


@pytest.fixture
def stand(fetching: Stand) -> Iterator[Stand]:
    yield fetching
    fetching.clear()


@pytest.fixture
def filmed() -> Iterator[FilmedCamera]:
    with FilmedCamera() as camera:
        yield camera


def add(stand: Stand, address: str) -> str:
    keyring = load_keyring(Path(stand.settings.keys_dir))
    with stand.store.write() as uow:
        camera = cameras.add_camera(
            uow, ADMIN, keyring, court_code="云29", name="样例门口", place="", address=address
        )
        return str(camera.id)


def state_of(stand: Stand, camera_id: str) -> str:
    return str(stand.centre.rows("SELECT state FROM camera WHERE id = :id", id=camera_id)[0][0])


def begin_with(stand: Stand, camera_id: str) -> str:
    session_id = stand.begin()
    with stand.store.write() as uow:
        command.invite(uow, stand.actors["zhihui"], session_id, "camera", camera_id)
    return session_id


def decode(frames: list[Frame]) -> list[np.ndarray[Any, Any]]:
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    shown = []
    for frame in frames:
        for picture in decoder.decode(av.Packet(bytes(frame.payload))):
            shown.append(picture.to_ndarray(format="gray"))
    return shown


def gather(viewer: Socket, count: int) -> list[Frame]:
    """Pictures from the first key frame on."""
    seen: list[Frame] = []
    while len(seen) < count:
        frame = viewer.picture(timeout_s=30)
        if frame.type is Type.VIDEO and (seen or frame.is_key):
            seen.append(frame)
    return seen


def test_its_picture_moves_in_a_session_and_nobody_fetches_it_otherwise(stand: Stand, filmed: FilmedCamera) -> None:
    camera_id = add(stand, filmed.url())
    wait_until(lambda: state_of(stand, camera_id) == "seen", 30, "the trial")  # tried once when it is new
    session_id = begin_with(stand, camera_id)
    wait_until(lambda: not filmed.film.takers, 15, "the trial's end")
    viewer = stand.view(session_id, f"c:{camera_id}")
    viewer.control(State, lambda told: told.state == "live", timeout_s=30)
    pictures = decode(gather(viewer, 20))
    bars = [int(np.argmax(picture[HEIGHT // 2] > 200)) for picture in pictures]
    assert pictures[0].shape == (HEIGHT, WIDTH) and len(set(bars)) > 5
    inits = [read_init(frame) for frame in viewer.frames if frame.type is Type.INIT]
    assert all((init.width, init.height) == (WIDTH, HEIGHT) for init in inits)
    viewer.close()
    wait_until(lambda: not filmed.film.takers, 15, "the end of the fetching")  # nobody looks
    entry = stand.wait_entry(session_id, "watch_begun")
    assert entry["source"] == f"c:{camera_id}"


def test_a_camera_that_goes_away_comes_back_by_itself(stand: Stand) -> None:
    with FilmedCamera() as first:
        camera_id = add(stand, first.url())
        viewer = stand.view(begin_with(stand, camera_id), f"c:{camera_id}")
        gather(viewer, 3)
    viewer.control(Told, lambda told: told.note == "no_camera", timeout_s=30)
    wait_until(lambda: state_of(stand, camera_id) in {"stalled", "unreachable"}, 30, "its state")
    with FilmedCamera(first.port):
        viewer.control(Told, lambda told: told.note == "", timeout_s=30)
        gather(viewer, 3)
        wait_until(lambda: state_of(stand, camera_id) == "seen", 30, "its state")
        viewer.close()


def test_the_relay_killed_and_back(stand: Stand, filmed: FilmedCamera) -> None:
    camera_id = add(stand, filmed.url())
    session_id = begin_with(stand, camera_id)
    gather(stand.view(session_id, f"c:{camera_id}"), 2)
    stand.centre.kill("relay")
    stand.hang_up()
    stand.start()
    gather(stand.view(session_id, f"c:{camera_id}"), 2)


def test_retired_in_the_middle_it_is_dark(stand: Stand, filmed: FilmedCamera) -> None:
    camera_id = add(stand, filmed.url())
    viewer = stand.view(begin_with(stand, camera_id), f"c:{camera_id}")
    gather(viewer, 2)
    with stand.store.write() as uow:
        cameras.retire_camera(uow, ADMIN, camera_id)
    viewer.control(State, lambda told: told.state == "gone", timeout_s=15)
    wait_until(lambda: not filmed.film.takers, 15, "the end of the fetching")


def test_a_wrong_password_is_told_and_not_tried_often(stand: Stand, filmed: FilmedCamera) -> None:
    camera_id = add(stand, filmed.url("falsch"))
    viewer = stand.view(begin_with(stand, camera_id), f"c:{camera_id}")
    viewer.control(Told, lambda told: told.note == "no_camera", timeout_s=30)
    assert state_of(stand, camera_id) == "unauthorised"


class TestOpening:
    """By itself, in this process."""

    def test_b_frames_are_encoded_anew(self) -> None:
        with FilmedCamera(b_frames=2) as filmed:
            camera = open_camera(filmed.url())
            assert not camera.is_passed_on
            made = []
            for picture in camera.pictures(lambda: True):
                made.append(picture)
                if len(made) == 20:
                    break
            camera.close()
        assert made[0].is_key and camera.init is not None and camera.init.codec.startswith("avc1.42")
        decoder = av.CodecContext.create("h264", "r")
        assert isinstance(decoder, VideoCodecContext)
        shown = [picture for one in made for picture in decoder.decode(av.Packet(one.data))]
        assert len(shown) >= 19 and decoder.has_b_frames == 0

    def test_one_that_stands_still_has_stalled(self, filmed: FilmedCamera, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(camera_picture, "READ_S", 1.0)
        camera = open_camera(filmed.url())
        seen = 0
        with pytest.raises(CameraError, match=r"broke off|ended") as told:
            for _ in camera.pictures(lambda: True):
                seen += 1
                filmed.film.is_filming = False
        assert seen and told.value.state == "stalled"
        camera.close()

    @pytest.mark.parametrize(
        ("address", "state"),
        [("rtsp://127.0.0.1:1/x", "unreachable"), (f"{Path(__file__).as_uri()}", "unreachable")],
    )
    def test_what_does_not_answer_or_is_a_file(self, address: str, state: str) -> None:
        with pytest.raises(CameraError) as told:
            open_camera(address)
        assert told.value.state == state

    def test_what_is_described(self, filmed: FilmedCamera) -> None:
        camera = open_camera(filmed.url())
        next(iter(camera.pictures(lambda: True)))
        assert camera.is_passed_on and isinstance(camera.init, Init)
        assert (camera.init.width, camera.init.height) == (WIDTH, HEIGHT)
        assert camera.summary.startswith(f"h264 {WIDTH}x{HEIGHT}")
        camera.close()
