"""Data quality: what the contract promises between columns, rows, days and tables, beyond each row by itself."""
