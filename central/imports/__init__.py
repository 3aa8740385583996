"""Import of cases from an existing case system: files read, rows judged, counts reconciled."""
