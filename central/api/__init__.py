"""`/api/v1`: the versioned JSON interface for other systems: court case systems, the national network (seed 19).

A process of its own without pages, cookies or persons: service accounts come with bearer tokens, act within their
scopes in their court and those below, and are audited as `service:<name>`. Every error is a problem (RFC 9457).
"""
