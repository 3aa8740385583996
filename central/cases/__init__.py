"""The enforcement case database (seed 18(5)): cases, parties, nodes and deadlines, acts, documents, search."""
