"""`cpz demo`: the whole path in one command, by the functions of the other commands."""
