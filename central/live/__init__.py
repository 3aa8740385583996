"""What screens see at once: the event hub."""
