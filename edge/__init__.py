"""The kit in the field: records sealed evidence, says where it is, and calls for help."""
