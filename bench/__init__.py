"""The figures of the README, measured: ``python -m bench`` prints one JSON object a line."""
