"""One visit after another: cart, situation, decision, choice, outcome and its truth.

Writes nothing.
"""
