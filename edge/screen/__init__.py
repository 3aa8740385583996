"""The officer's own page: what the kit does and holds, and what is wanted of him. Works without any network."""
