"""The panel: buttons, light, buzzer, and their stand-ins where there are no pins."""
