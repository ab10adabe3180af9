"""NewsREEL / plista message logs."""
