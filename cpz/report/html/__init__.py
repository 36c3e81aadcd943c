"""A `Report` as one self-contained HTML page. Knows no command."""
