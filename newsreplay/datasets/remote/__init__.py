"""Data that lie elsewhere, in buckets and on the web: found, listed, and copied to be read as files."""
