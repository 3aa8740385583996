"""Ground floor: settings, clock, ids, database, unit of work, outbox, bus, errors."""
