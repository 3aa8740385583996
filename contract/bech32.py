"""Bech32 (BIP 173) as age uses it for its keys: no length limit, either case but never mixed."""

from __future__ import annotations

from typing import Final

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


class Bech32Error(ValueError):
    """A text is not the Bech32 it should be."""


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit in range(5):
            if top >> bit & 1:
                check ^= _GENERATOR[bit]
    return check


def _expand(prefix: str) -> list[int]:
    return [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]


def _regroup(values: bytes | list[int], width: int, to_width: int, *, pad: bool) -> list[int]:
    held = bits = 0
    out = []
    for value in values:
        held = held << width | value
        bits += width
        while bits >= to_width:
            bits -= to_width
            out.append(held >> bits & ((1 << to_width) - 1))
    if pad and bits:
        out.append(held << (to_width - bits) & ((1 << to_width) - 1))
    elif not pad and (bits >= width or held & ((1 << bits) - 1)):
        raise Bech32Error("The key text has stray bits at its end.")
    return out


def encode(prefix: str, data: bytes) -> str:
    """Lower-case Bech32 of ``data`` under ``prefix``."""
    values = _regroup(data, 8, 5, pad=True)
    check = _polymod([*_expand(prefix), *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [check >> 5 * (5 - place) & 31 for place in range(6)]
    return prefix + "1" + "".join(_ALPHABET[value] for value in values)


def decode(prefix: str, text: str) -> bytes:
    """The data of ``text``; raise Bech32Error when prefix, alphabet, case or checksum are wrong."""
    if text.lower() != text and text.upper() != text:
        raise Bech32Error("The key text mixes upper and lower case.")
    text = text.lower()
    found, mark, rest = text.rpartition("1")
    if not mark or found != prefix or len(rest) < 6 or any(char not in _ALPHABET for char in rest):
        raise Bech32Error(f"The key text does not begin with {prefix}1 or has a stray character.")
    values = [_ALPHABET.index(char) for char in rest]
    if _polymod(_expand(prefix) + values) != 1:
        raise Bech32Error("The checksum of the key text is wrong: a character was mistyped or lost.")
    return bytes(_regroup(values[:-6], 5, 8, pad=False))
