"""One thin file a command: parse, call, render.

May import everything; heavy libraries only inside a command.
"""
