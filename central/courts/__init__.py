"""Courts, users, log-in sessions and the permission table."""
