"""The run folder: its options, its columns, its JSON."""
