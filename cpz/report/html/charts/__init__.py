"""Charts as SVG: one file a chart, each with `draw` (values to SVG) and `tabulate` (to a table)."""
