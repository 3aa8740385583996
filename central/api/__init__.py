"""The versioned JSON interface for other systems, `/api/v1`. Translates and nothing more."""
