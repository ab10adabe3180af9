"""Data sets: sources read a publisher's files, the store prepares them into logs."""
