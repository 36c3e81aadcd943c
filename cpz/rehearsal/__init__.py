"""Where world, policies and analysis meet and truth is joined: experiments, ramps, arms.

Beside simulator the one package that may read truth; imports no report and no cli.
"""
