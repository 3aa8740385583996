"""The device authority: who is a kit, and with which keys."""
