"""The kit's way to the centre: messages, evidence, position and orders."""
