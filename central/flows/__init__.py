"""Acts that cross rooms, each in one transaction."""
