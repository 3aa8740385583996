"""One machine that plays everything: agencies, kits, tracks."""
