"""A market made to behave like the real one, and the facts by which both are compared."""
