"""Reference rows: the ceiling of what can be reached, and the lists of the live system."""
