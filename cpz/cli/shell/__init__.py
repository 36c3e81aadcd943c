"""What every command shares: outcome, options, settings, progress and run folders.

Imports no heavy library.
"""
