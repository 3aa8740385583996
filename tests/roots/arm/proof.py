"""Runs on the emulated Arm processor: what of the kit's set imports and works there; prints one JSON object."""

import importlib
import io
import json
import pkgutil
import platform
import sys

import av
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from paho.mqtt import client as mqtt

import contract
import edge
from edge.recorder.sources import EncodedFrame
from edge.recorder.sources.synthetic import SyntheticCamera


def import_all() -> list[str]:
    """Names of all modules of the kit's side, each imported."""
    names = []
    for package in (contract, edge):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__"):
                continue
            importlib.import_module(module.name)
            names.append(module.name)
    return names


def encode_a_second() -> int:
    """How many pictures of one second coded by libx264 come out of the decoder."""
    camera = SyntheticCamera("dl-2901-01", width=320, height=180, fps=15, paced=False)
    coded = b""
    for number, item in enumerate(camera.items()):
        if number == 15:
            break
        assert isinstance(item, EncodedFrame)
        coded += item.data
    with av.open(io.BytesIO(coded), format="h264") as container:
        return sum(1 for _ in container.decode(video=0))


def sign() -> list[str]:
    """Names of the signatures that verify; a wrong one raises."""
    young, old = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    young.public_key().verify(young.sign(b"kit"), b"kit")
    old.public_key().verify(old.sign(b"kit", ec.ECDSA(SHA256())), b"kit", ec.ECDSA(SHA256()))
    return ["Ed25519", "P-256"]


def call_nobody() -> str:
    """What paho says of a broker that is not there."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    try:
        client.connect("127.0.0.1", 1)
    except ConnectionRefusedError as error:
        return type(error).__name__
    return "connected"


if __name__ == "__main__":
    told = {
        "machine": platform.machine(),
        "python": sys.version.split()[0],
        "modules": import_all(),
        "pictures": encode_a_second(),
        "signatures": sign(),
        "broker": call_nobody(),
    }
    print(json.dumps(told))
