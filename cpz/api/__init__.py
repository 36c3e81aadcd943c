"""The public face: what `import cpz` gives notebooks and scripts, one file a verb.

Holds no statistics: it calls what commands call. Nothing below it imports it, nor does `cli`.
"""
