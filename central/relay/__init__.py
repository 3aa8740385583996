"""The relay: live pictures and voice from kits, cameras and browsers to who may see and hear them."""
