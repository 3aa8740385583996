"""The live process of a kit: picture and voice to the centre while a session is open."""
