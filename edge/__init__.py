"""The kit in the field: records sealed evidence, says where it is, and calls for help."""

# Also in pyproject.toml; reading it from package metadata would cost the kit 2 MB of memory.
__version__ = "0.4.0"
