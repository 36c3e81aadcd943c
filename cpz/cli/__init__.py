"""The command line: a command parses, calls one function and hands back an outcome.

May import all; never numpy, polars or duckdb.
"""
