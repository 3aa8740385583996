"""People: accounts, log-in with its second ways, sessions, terminals, appointments, service accounts."""
