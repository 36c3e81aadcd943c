"""What `cpz canary simulate` and `cpz canary analyze` may be asked: options, written once."""

from dataclasses import dataclass
from typing import Annotated

import typer

from cpz.cli.shell.options import ScenarioOption, SeedOption, SetOption
from cpz.ingest.canaries.counts import CountedUnit

Allow = Annotated[
    str | None,
    typer.Option("--allow", help="Margins of non-inferiority: conversion=3%,latency_ms=50."),
]


@dataclass(frozen=True, slots=True)
class CanaryArguments:
    """What `cpz canary simulate` was asked."""

    baseline: Annotated[
        str,
        typer.Option(
            "--baseline", help="Policy of the baseline: a rule, or MODEL[@VERSION]:POLICY."
        ),
    ] = "popularity"
    canary: Annotated[
        str,
        typer.Option("--canary", help="Policy of the canary: a rule, or MODEL[@VERSION]:POLICY."),
    ] = "epsilon"
    placement: Annotated[
        str,
        typer.Option("--placement", help="Placement they decide: payment, shipping, offer."),
    ] = "payment"
    ramp: Annotated[
        str, typer.Option("--ramp", help="Percent of shoppers that see the canary, per step.")
    ] = "1,5,25,50,100"
    hours_per_step: Annotated[
        int, typer.Option("--hours-per-step", min=1, max=2000, help="How long each step lasts.")
    ] = 24
    inject: Annotated[
        str | None,
        typer.Option("--inject", help="Harm: conversion=-5%,latency_ms=+200,error_rate=+1%."),
    ] = None
    allow: Allow = None
    scenario: ScenarioOption = "baseline"
    overrides: SetOption = ()
    sessions: Annotated[
        int, typer.Option("--sessions", min=100, max=10**9, help="Sessions during the ramp's days.")
    ] = 400_000
    seed: SeedOption = 0


@dataclass(frozen=True, slots=True)
class CountsArguments:
    """What `cpz canary analyze` was asked."""

    file: Annotated[str, typer.Argument(help="Hourly counts of both groups.")]
    hours: Annotated[
        int | None,
        typer.Option("--hours", min=1, help="Planned hours of the ramp; promotion needs them."),
    ] = None
    allow: Allow = None
    currency: Annotated[
        str, typer.Option("--currency", help="Currency of the margin, ISO 4217.")
    ] = "EUR"
    unit: Annotated[
        CountedUnit, typer.Option("--unit", help="Column that counts the units, for both groups.")
    ] = "shoppers"
