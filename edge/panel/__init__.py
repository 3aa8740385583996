"""The panel: buttons, light, buzzer, and keys of a terminal where there are no pins."""
