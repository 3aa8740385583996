"""The command centre: rooms listed in docs, built and started by `central.main`."""
