"""The command centre: rooms listed in docs, built and started by `central.main`, one process by `central.process`."""
