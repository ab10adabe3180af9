"""The built-in synthetic publishers."""
