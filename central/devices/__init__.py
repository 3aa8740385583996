"""Kits in the field: identity, positions, presence, mailbox, what was set aside."""
