"""The kits' door: the broker, who is let in, intake and receipts, mailbox delivery, evidence receiving."""
