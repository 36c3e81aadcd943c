"""One neutral description of a result, and its terminal, HTML and Markdown forms.

Computes no statistic, reads no file.
"""
