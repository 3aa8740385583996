"""Pages for people: big screen, incidents, kits, recordings, audit. Translates and nothing more."""
