"""Bytes both sides must agree on; imports neither side."""
