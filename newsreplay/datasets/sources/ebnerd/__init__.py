"""EB-NeRD."""
