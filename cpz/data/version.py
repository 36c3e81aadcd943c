"""The version, for rooms that write it into files: they may not know the public face, `cpz`."""

__version__ = "0.1.0"
