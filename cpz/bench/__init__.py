"""The benchmark suite: how much work each part does, as ratios that hold on a busy machine.

May import serving, evaluation, simulator and below; never rehearsal, report or cli.
"""
