"""Run every command for real and write what it printed into README.md and the pages of docs/.

Run by `make samples`. A page holds a command's output between two markers:

    <!-- sample: ab plan -->
    <!-- /sample -->

and README.md all others between `<!-- samples -->` and `<!-- /samples -->`. The commands run in
the order of `SAMPLES`, in one empty folder with links to `examples/` and `tests/`, so each can be
repeated from the root of a checkout. Nothing is edited but what `neutral` and `shortened` state.

    python tools/sample_outputs.py              # everything, a few minutes
    python tools/sample_outputs.py 'ab plan'    # one sample; only for those that need no other
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: What a sample's folder shares with a checkout.
LINKED = ("examples", "tests", "benchmarks")
COLUMNS = "100"
PORT = 8080
#: Stands in a sample's line for the folder that the sample `canary simulate` wrote.
CANARY_RUN = "CANARY_RUN"
READY = "serving on "
MARKED = re.compile(
    r"(?P<start><!-- sample: (?P<name>[^>]+) -->\n).*?(?P<end><!-- /sample -->)", re.S
)
ALL = re.compile(r"(?P<start><!-- samples -->\n).*?(?P<end><!-- /samples -->)", re.S)


@dataclass(frozen=True, slots=True)
class Sample:
    """One command line whose output is shown.

    Attributes:
        name: the command's words, and behind a colon what tells two samples of one command apart.
        line: the command line, to be run from the root of a checkout.
        codes: the exit codes it may end with; another one is a defect and nothing is written.
        keep: how many lines are shown in README.md; more are cut in the middle, visibly.
        is_stable: the same bytes on every machine and without any sample before it, so that a test
            compares them.
    """

    name: str
    line: str
    codes: tuple[int, ...] = (0,)
    keep: int = 16
    is_stable: bool = False

    @property
    def page(self) -> str:
        """Return the file name of the command's page."""
        return f"{self.name.partition(':')[0].replace(' ', '-')}.md"


FOREIGN = "tests/fixtures/foreign/simple-onlineshop.csv --map examples/simple_onlineshop.toml"
OBD = "tests/fixtures/obd/obd_men"

#: In the order in which they run: later ones use what earlier ones wrote.
SAMPLES: tuple[Sample, ...] = (
    Sample("version", "cpz version", is_stable=True),
    Sample("doctor", "cpz doctor"),
    Sample("scenario list", "cpz scenario list", keep=40, is_stable=True),
    Sample("scenario show", "cpz scenario show --only payment.card", is_stable=True),
    Sample("scenario check", "cpz scenario check psp-outage", is_stable=True),
    Sample("scenario diff", "cpz scenario diff baseline cold-start", is_stable=True),
    Sample("simulate", "cpz simulate --sessions 40000 --seed 7", keep=24),
    Sample("train", "cpz train"),
    Sample("evaluate", "cpz evaluate --with-truth", keep=24),
    Sample(
        "evaluate: a flat log",
        f"cpz evaluate --log {OBD}_random.parquet --map examples/obd.toml"
        f" --policy {OBD}_random_pi_e.npy --q-hat {OBD}_random_qhat.npz",
        is_stable=True,
    ),
    Sample("data import", f"cpz data import {FOREIGN} --dataset shop", is_stable=True),
    Sample("data check", "cpz data check shop"),
    Sample(
        "ab plan",
        "cpz ab plan --baseline 0.032 --effect 0.05 --units-per-day 20000 --days 14",
        codes=(1,),
        is_stable=True,
    ),
    Sample(
        "ab simulate",
        "cpz ab simulate --control popularity --treatment default:greedy"
        " --sessions 20000 --out rehearsal",
        keep=24,
    ),
    Sample("ab analyze", "cpz ab analyze rehearsal/units.parquet --metrics rehearsal/metrics.toml"),
    Sample(
        "canary simulate",
        "cpz canary simulate --canary popularity --inject conversion=-10%"
        " --ramp 5,25,50,100 --sessions 40000 --seed 9 --workspace canary",
        codes=(1,),
        keep=24,
    ),
    Sample("canary replay", "cpz canary replay CANARY_RUN/ledger.jsonl"),
    Sample(
        "canary analyze",
        "cpz canary analyze CANARY_RUN/counts.csv --hours 96 --workspace canary",
        codes=(0, 1),
        keep=24,
    ),
    Sample(
        "canary judge",
        "cpz canary judge --baseline examples/canary/baseline.csv"
        " --canary examples/canary/canary.csv --config examples/canary/rules.toml",
        codes=(1,),
        is_stable=True,
    ),
    Sample("serve: from a file", "cpz serve --once examples/recommend.json"),
    Sample("serve", f"cpz serve --port {PORT}"),
    Sample(
        "load",
        f"cpz load --url http://127.0.0.1:{PORT} --rate 300 --duration 3 --fail-on 'p99_ms>50'",
        codes=(0, 1),
    ),
    Sample("bench", "cpz bench --suite smoke", codes=(0, 1)),
    Sample("demo", "cpz demo --workspace demo-workspace", keep=40),
)


def neutral(text: str) -> str:
    """Return an output without what differs between machines and says nothing.

    That is the patch version of Python, spaces at the ends of lines, and empty lines at the end.
    Seconds, hosts and versions are left as they were measured.
    """
    text = re.sub(r"Python 3\.\d+\.\d+", "Python 3.x.y", text)
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip()


def printed(output: str, code: int) -> str:
    """Return what a sample shows: the output, and the exit code where it is not 0."""
    return neutral(output) + (f"\n(exit code {code})" if code else "")


def shortened(text: str, keep: int) -> str:
    """Return at most `keep` lines, saying how many were left out.

    >>> shortened(chr(10).join("abcde"), 3).splitlines()
    ['a', '... (3 more lines)', 'e']
    """
    lines = text.split("\n")
    if len(lines) <= keep:
        return text
    head = (keep - 1) // 2
    tail = keep - 1 - head
    left_out = f"... ({len(lines) - keep + 1} more lines)"
    return "\n".join((*lines[:head], left_out, *lines[-tail:]))


def block(line: str, output: str) -> str:
    """Return a fenced block of a command line and what it printed."""
    return f"```\n$ {line}\n{output}\n```\n"


class Workshop:
    """A folder in which the samples run, and the server that is up while one of them needs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: dict[str, str] = {}
        self._port = _free_port()
        for name in LINKED:
            (folder / name).symlink_to(ROOT / name)

    def run(self, sample: Sample) -> None:
        """Run a sample and keep its block."""
        print(f"{sample.name} ...", file=sys.stderr, flush=True)
        line = self._with_run(sample.line)
        if sample.name == "load":
            self._serve_and_load(line)
            return
        done = subprocess.run(
            self._words(line),
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self._keep(sample, line, done.stdout, done.returncode)

    def _serve_and_load(self, line: str) -> None:
        """Run `serve` and, while it answers, `load`; end the server as an operator would."""
        samples = {sample.name: sample for sample in SAMPLES}
        server = subprocess.Popen(
            self._words(samples["serve"].line),
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert server.stdout is not None
        said = [server.stdout.readline()]
        try:
            while said[-1] and READY not in said[-1]:
                said.append(server.stdout.readline())
            done = subprocess.run(
                self._words(line),
                cwd=self.folder,
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            server.send_signal(signal.SIGTERM)
            rest, _ = server.communicate(timeout=60)
        self._keep(samples["load"], line, done.stdout + done.stderr, done.returncode)
        output = "".join(said) + rest
        self._keep(samples["serve"], samples["serve"].line, output, server.returncode)

    def _keep(self, sample: Sample, line: str, output: str, code: int) -> None:
        output = output.replace(f"127.0.0.1:{self._port}", f"127.0.0.1:{PORT}")
        if code not in sample.codes:
            raise SystemExit(f"$ {line}\n{output}\nexit code {code}, expected {sample.codes}")
        self.shown[sample.name] = block(line, printed(output, code))

    def _words(self, line: str) -> list[str]:
        words = shlex.split(line.replace(str(PORT), str(self._port)))
        return [sys.executable, "-c", "from cpz.cli.app import main; main()", *words[1:]]

    def _with_run(self, line: str) -> str:
        """Put the folder of the simulated canary, whose name is a hash, into a command line."""
        if CANARY_RUN not in line:
            return line
        (counts,) = self.folder.glob("canary/runs/*/counts.csv")
        return line.replace(CANARY_RUN, str(counts.parent.relative_to(self.folder)))


def environment() -> dict[str, str]:
    """Return an environment with a fixed width and neither colours nor settings of cpz."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CPZ_")}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH", ""))))
    return kept | {"COLUMNS": COLUMNS, "NO_COLOR": "1", "TERM": "dumb", "PYTHONPATH": path}


def pages() -> Iterator[Path]:
    """Yield the files that may hold samples."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))


def filled(text: str, shown: Mapping[str, str]) -> str:
    """Return a page in which every marked block that was run again is new.

    Raises:
        KeyError: the page marks a sample that does not exist.
    """
    known = {sample.name: sample for sample in SAMPLES}

    def one(match: re.Match[str]) -> str:
        sample = known[match["name"].strip()]
        if sample.name not in shown:
            return match[0]
        return f"{match['start']}{shown[sample.name]}{match['end']}"

    def every(match: re.Match[str]) -> str:
        if len(shown) < len(SAMPLES):
            return match[0]
        inline = {found["name"].strip() for found in MARKED.finditer(text)}
        rest = (sample for sample in SAMPLES if sample.name not in inline)
        details = "\n".join(_details(sample, shown[sample.name]) for sample in rest)
        return f"{match['start']}{details}{match['end']}"

    return ALL.sub(every, MARKED.sub(one, text))


def _details(sample: Sample, shown: str) -> str:
    fence, line, *output = shown.rstrip("\n").split("\n")
    body = shortened("\n".join(output[:-1]), sample.keep)
    words, _, which = sample.name.partition(": ")
    title = f"<code>cpz {words}</code>{which and f', {which}'}"
    return (
        f"<details><summary>{title}</summary>\n\n"
        f"{fence}\n{line}\n{body}\n{fence}\n\n"
        f"[The page of cpz {words}](docs/commands/{sample.page})\n\n</details>\n"
    )


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


def main(names: Sequence[str]) -> int:
    """Run the samples, all or those named, then write every page that changed."""
    unknown = set(names) - {sample.name for sample in SAMPLES}
    if unknown:
        known = ", ".join(sample.name for sample in SAMPLES)
        print(f"no such sample: {', '.join(sorted(unknown))}; there are: {known}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="cpz-samples-") as folder:
        workshop = Workshop(Path(folder))
        for sample in SAMPLES:
            if sample.name != "serve" and (not names or sample.name in names):
                workshop.run(sample)
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (new := filled(text, workshop.shown)) != text:
            page.write_text(new, encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
