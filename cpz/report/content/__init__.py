"""What each result says: its blocks, and the page around them. Computes no statistic.

`NAME_blocks(result)` is the short form that a terminal and a notebook show, `NAME_report(...)` the
whole page. Both are made of the same tables.
"""
