"""Remote command (远程指挥, seed 13): requests, decisions, sessions, numbered orders."""
