import pytest

from edge.recorder.capture import Taken
from edge.recorder.recorder import Recorder
from edge.spool import open_spool
from tests.fakes.camera import Clocks, ScriptedCamera
from tests.fakes.kit import make_kit


class Desk:
    """A recorder in this process: scripted camera, told clocks, real spool, real seals."""

    def __init__(self, folder, **tables):
        self.kit = make_kit(folder, **tables)
        self.settings = self.kit.settings()
        self.clocks = Clocks()
        self.cameras = []
        self.open_errors = []
        self.sound = False
        self.spool = open_spool(self.settings.spool_path)
        self.recipients = [self.kit.centre.public_key(), self.kit.escrow.public_key()]
        self.recorder = self.make_recorder()

    def make_recorder(self):
        recorder = Recorder(
            self.settings,
            self.spool,
            sign=self.kit.sign,
            load_recipients=lambda: self.recipients,
            build_source=self._build_source,
            clock=self.clocks,
        )
        recorder.begin()
        return recorder

    @property
    def camera(self):
        return self.cameras[-1]

    @property
    def status(self):
        return self.spool.state.get("recorder_status")

    def want(self, on=True, cause="officer", **more):
        self.spool.state.set("recording_wanted", {"on": on, "cause": cause, "by": "button", **more})
        self.turn(rung=True)

    def turn(self, *, rung=False):
        self.recorder.turn(rung=rung, wait_s=0)

    def shoot(self, frames, *, frame_ms=40):
        """Give frames one by one, the clocks moving with them; returns when the recorder took each."""
        for _ in range(frames):
            self.camera.give()
            self.clocks.advance(frame_ms)
            self._settle()

    def _settle(self):
        capture = self.recorder._camera.capture
        events, take = [], capture.take

        def noting(timeout_s):
            events.append(take(timeout_s))
            return events[-1]

        capture.take = noting
        while not (events and isinstance(events[-1], Taken)):
            self.recorder.turn(rung=False, wait_s=5)
            assert events[-1] is not None, "the camera's frame did not arrive"
        capture.take = take

    def recordings(self):
        rows = self.spool._store.rows("SELECT recording_id FROM records WHERE seq = 0 ORDER BY rowid")
        return [row[0] for row in rows]

    def chain(self, recording_id=None):
        return self.kit.read_chain(self.spool, recording_id or self.recordings()[-1])

    def kinds(self, recording_id=None):
        return [
            record.kind.name + (f" {record.cause}" if record.cause else "") for record in self.chain(recording_id)
        ]

    def alarms(self):
        import msgspec

        from contract.messages import Alarm

        return [msgspec.json.decode(entry.body, type=Alarm) for entry in self.spool.outbox.pending(99, ["alarm"])]

    def close(self):
        for camera in self.cameras:
            camera.close()
        self.spool.close()

    def _build_source(self):
        error = self.open_errors.pop(0) if self.open_errors else None
        self.cameras.append(ScriptedCamera(open_error=error, sound=self.sound))
        return self.cameras[-1]


@pytest.fixture
def make_desk(tmp_path):
    desks = []

    def make(**tables):
        desks.append(Desk(tmp_path / f"kit{len(desks)}", **tables))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(make_desk):
    return make_desk(segments={"pre_event_s": 0})
