"""Files as tables of raw columns: formats, compression, folders, nested records.

Knows no mapping.
"""
