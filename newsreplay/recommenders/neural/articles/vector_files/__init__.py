"""Readers of files of vectors: text, Parquet, NumPy's .npz; one for each ending."""
