"""Any table of reads: CSV, TSV, Parquet, Arrow."""
