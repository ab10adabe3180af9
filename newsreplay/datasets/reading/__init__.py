"""Reading files in parts: lines, JSON lines, times."""
