"""Evidence: signed chains received, sealed segments stored and receipted, opened and exported under audit."""
