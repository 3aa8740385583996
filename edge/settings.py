"""What a kit can be told in its ``kit.toml``: every option, its range and its default.

Reading is strict. An unknown option or a value outside its range stops the start with one sentence that
names the option, what is allowed and what to do; nothing is ever ignored silently.
"""

import difflib
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect as types

from edge.options import (
    WORDS,
    AuthoritySettings,
    CameraSettings,
    ClockSettings,
    DoorSettings,
    HealthSettings,
    KeySettings,
    KitSettings,
    LinkSettings,
    LiveSettings,
    MqttSettings,
    PanelSettings,
    PositionSettings,
    ScreenSettings,
    SegmentSettings,
    StorageSettings,
)


class SettingsError(ValueError):
    """The configuration cannot be used; the text names the option and the remedy."""


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All of a kit's options."""

    kit: KitSettings
    mqtt: MqttSettings
    door: DoorSettings
    authority: AuthoritySettings = AuthoritySettings()
    keys: KeySettings = KeySettings()
    link: LinkSettings = LinkSettings()
    camera: CameraSettings = CameraSettings()
    segments: SegmentSettings = SegmentSettings()
    storage: StorageSettings = StorageSettings()
    position: PositionSettings = PositionSettings()
    clock: ClockSettings = ClockSettings()
    health: HealthSettings = HealthSettings()
    panel: PanelSettings = PanelSettings()
    screen: ScreenSettings = ScreenSettings()
    live: LiveSettings = LiveSettings()

    @property
    def data_dir(self) -> Path:
        """The folder of key, certificate, trust list, spool and vault."""
        return Path(self.kit.data_dir)

    @property
    def spool_path(self) -> Path:
        """The SQLite file that recorder, panel and uplink share."""
        return self.data_dir / "spool.db"


def load_settings(path: Path) -> Settings:
    """Read and check a kit.toml; relative folders and files count from its own folder.

    Raises SettingsError with the option, the allowed range and the remedy.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"{path} does not exist: run `zhixing-kit enrol TOKEN --data {path.parent}` first, which writes it."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}): check its owner and rights.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML ({error}): correct that line.") from None
    return build_settings(table, base=path.parent)


def build_settings(table: dict[str, Any], *, base: Path) -> Settings:
    """Check a table of options (as TOML gives it); `base` is where relative paths begin.

    Raises SettingsError.
    """
    settings: Settings = _convert(Settings, table, where="")
    data_dir = (base / settings.kit.data_dir).absolute()
    position, camera = settings.position, settings.camera
    if position.source == "track":
        if not position.track:
            raise SettingsError(
                "position.track is missing: position.source = 'track' needs an NMEA or GPX file; name it."
            )
        position = msgspec.structs.replace(position, track=str((base / position.track).absolute()))
    if camera.kind == "pyav":
        if not camera.address:
            raise SettingsError(
                "camera.address is missing: camera.kind = 'pyav' needs a file, /dev/videoN or rtsp:// address."
            )
        if "://" not in camera.address:
            camera = msgspec.structs.replace(camera, address=str((base / camera.address).absolute()))
    kit = msgspec.structs.replace(settings.kit, data_dir=str(data_dir))
    settings = msgspec.structs.replace(settings, keys=_complete_keys(settings.keys, base))
    return msgspec.structs.replace(settings, kit=kit, position=position, camera=camera)


def _complete_keys(keys: KeySettings, base: Path) -> KeySettings:
    if not keys.pkcs11_module:
        return keys
    for name in ("token_label", "pin_file"):
        if not getattr(keys, name):
            raise SettingsError(f"keys.{name} is missing: keys.pkcs11_module needs it; add it or leave out [keys].")
    # A bare file name is left to the loader's search path.
    module = keys.pkcs11_module
    module = str((base / module).absolute()) if "/" in module else module
    return msgspec.structs.replace(keys, pkcs11_module=module, pin_file=str((base / keys.pin_file).absolute()))


def _convert(struct: Any, table: Any, *, where: str) -> Any:
    if not isinstance(table, dict):
        raise SettingsError(f"{where} = {table!r} is refused: it is a table; write it as [{where}].")
    info = types.type_info(struct)
    assert isinstance(info, types.StructType)  # noqa: S101 - only our own structs come here
    fields = {field.encode_name: field for field in info.fields}
    for name in table:
        if name not in fields:
            raise SettingsError(_describe_unknown(_dotted(where, name), name, list(fields)))
    values: dict[str, Any] = {}
    for name, field in fields.items():
        option = _dotted(where, name)
        if name not in table:
            if field.required:
                raise SettingsError(f"{option} is missing: it must be {_describe(field.type)}; add it.")
            continue
        if isinstance(field.type, types.StructType):
            values[name] = _convert(field.type.cls, table[name], where=option)
        else:
            values[name] = _convert_value(struct, name, table[name], option=option, kind=field.type)
    return struct(**values)


def _convert_value(struct: Any, name: str, value: Any, *, option: str, kind: types.Type) -> Any:
    hints = {field.name: field.type for field in msgspec.structs.fields(struct)}
    try:
        return msgspec.convert(value, hints[name])
    except msgspec.ValidationError:
        raise SettingsError(
            f"{option} = {value!r} is refused: it must be {_describe(kind)}; correct it in kit.toml."
        ) from None


def _dotted(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _describe_unknown(option: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the options there are {', '.join(known)};"
    return f"{option} is not an option of a kit: {hint} correct or remove it."


def _describe(kind: types.Type) -> str:
    if isinstance(kind, types.IntType | types.FloatType):
        noun = "a whole number" if isinstance(kind, types.IntType) else "a number"
        even = ", even" if kind.multiple_of == 2 else ""
        return f"{noun} from {kind.ge} to {kind.le}{even}"
    if isinstance(kind, types.LiteralType):
        return "one of " + ", ".join(repr(value) for value in kind.values)
    if isinstance(kind, types.BoolType):
        return "true or false"
    if isinstance(kind, types.StrType):
        if kind.pattern:
            return WORDS[kind.pattern]
        return f"text of {kind.min_length or 0} to {kind.max_length or 'any'} characters"
    return "a table"
