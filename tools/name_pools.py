"""Write the name pools that cpz brings along: `python tools/name_pools.py`.

They are what Faker makes for the locales of the built-in markets, kept in a file so that names do
not depend on Faker's version and a simulation need not load it.
"""

import json
from dataclasses import asdict
from importlib.metadata import version

from cpz.simulator.scenario.loading import load_scenario
from cpz.simulator.tables.identity import POOLS_FILE, made_pool

SIZE = 150


def main() -> None:
    """Write the pools of all locales of the baseline's markets."""
    locales = sorted({m.locale for m in load_scenario("baseline").markets.values()})
    pools = {locale: asdict(made_pool(locale, SIZE)) for locale in locales}
    document = {"faker": version("faker"), "size": SIZE, "pools": pools}
    text = json.dumps(document, ensure_ascii=False, indent=0)
    POOLS_FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
