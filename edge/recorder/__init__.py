"""The recorder: camera to sealed, signed, durable segments."""
