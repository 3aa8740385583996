"""The centre's figures for Prometheus: how it and its kits are, never who they serve."""
