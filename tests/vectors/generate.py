"""How the golden packages were made: `python -m tests.vectors.generate FOLDER`.

Run once for each version of the package format. The files it made stay as they are for ever: a verifier that no
longer reads them the same way is wrong, not they.
"""

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from contract import envelope
from contract.package import CHAIN, HEAD
from tests.contract.package_case import (
    World,
    export,
    pack_chain,
    read_files,
    record,
    rewrite_manifest,
    write_files,
)


def main(folder: Path) -> None:
    world, stranger = World(), World()
    made = record(world, clear_blocks=2)
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    genuine = export(scratch, world, made, name="genuine.zip", disclose=(2,))
    (folder / "genuine.zip").write_bytes(genuine.read_bytes())
    (folder / "root.crt").write_bytes(world.root.certificate.public_bytes(Encoding.PEM))
    (folder / "centre.identity").write_text(envelope.identity_to_text(world.centre) + "\n")
    opened = export(scratch, world, record(world, closed=False, clear_blocks=2), name="open.zip")
    (folder / "open_end.zip").write_bytes(opened.read_bytes())
    forged = export(scratch, stranger, record(stranger, clear_blocks=2), name="forged.zip")
    (folder / "signed_by_a_stranger.zip").write_bytes(forged.read_bytes())

    files = read_files(genuine)
    files.pop("segments/000005.age")
    write_files(folder / "dropped.zip", files)
    files = read_files(genuine)
    three, five = "segments/000003.age", "segments/000005.age"
    files[three], files[five] = files[five], files[three]
    write_files(folder / "swapped.zip", files)
    files = read_files(genuine)
    files["segments/000006.age"] = files["segments/000006.age"][:-9]
    write_files(folder / "cut.zip", files)
    files = read_files(genuine)
    files["segments/000007.age"] = bytes((files["segments/000007.age"][0] ^ 1,)) + files["segments/000007.age"][1:]
    write_files(folder / "flipped.zip", files)
    files = read_files(genuine)
    files["segments/000011.age"] = files["segments/000009.age"]
    write_files(folder / "added.zip", files)
    files = read_files(genuine)
    signed = [item for number, item in enumerate(made.signed) if number != 5]
    files.pop("segments/000005.age")
    files[CHAIN] = pack_chain(signed)
    rewrite_manifest(files, signed)
    write_files(folder / "record_dropped.zip", files)
    files = read_files(genuine)
    signed = made.signed[:8]
    files[CHAIN] = pack_chain(signed)
    for number in (8, 9):
        files.pop(f"segments/{number:06d}.age")
    rewrite_manifest(files, signed)
    write_files(folder / "tail_cut.zip", files)
    files = read_files(genuine)
    files["disclosure/000002.mp4"] = files["disclosure/000002.mp4"][:-1] + b"x"
    write_files(folder / "disclosure_altered.zip", files)
    files = read_files(genuine)
    files[HEAD] = stranger.head(made.signed)
    write_files(folder / "head_of_a_stranger.zip", files)
    expected = {
        "genuine": ["genuine", None, None, None],
        "open_end": ["genuine", None, None, None],
        "signed_by_a_stranger": ["broken", "foreign", "certificates", None],
        "dropped": ["broken", "dropped", "segment", 5],
        "swapped": ["broken", "swapped", "segment", 3],
        "cut": ["broken", "cut", "segment", 6],
        "flipped": ["broken", "flipped", "segment", 7],
        "added": ["broken", "added", "segment", 11],
        "record_dropped": ["broken", "dropped", "chain", 5],
        "tail_cut": ["broken", "cut", "chain", 8],
        "disclosure_altered": ["broken", "flipped", "disclosure", 2],
        "head_of_a_stranger": ["broken", "foreign", "head", None],
    }
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
