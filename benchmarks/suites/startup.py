"""How quickly the command line starts: CPU time of ``hawklet --help`` and ``--version``.

The yardstick is what no Click program can avoid: ``python -c pass`` plus Click's own import, measured as
``python -c "import click"``. Claim: at most 4 times that.

Run: ``python benchmarks/suites/startup.py [--rounds N] [--json] [-o FILE]``
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hawklet_benchmarks.interleave import Claim, SuiteResult, cpu_of_command, cpu_ratio, finish, take_turns, warm

LIMIT = 4.0
_ENTRY = "import sys; from hawklet.cli import main; sys.exit(main())"  # what the console script holds


def main() -> int:
    """Measure, print, and say by the exit code whether the claims hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("-o", "--output", type=Path, help="write the result to this JSON file")
    arguments = parser.parse_args()
    commands = {
        "python -c pass": ["-c", "pass"],
        "python -c 'import click'": ["-c", "import click"],
        "hawklet --version": ["-c", _ENTRY, "--version"],
        "hawklet --help": ["-c", _ENTRY, "--help"],
    }
    contestants = {name: cpu_of_command([sys.executable, *rest]) for name, rest in commands.items()}
    warm(contestants, 3)
    cpu_ms = take_turns(contestants, arguments.rounds)
    claims = tuple(
        Claim(f"{name} / (python + Click)", cpu_ratio(cpu_ms, name, "python -c 'import click'"), LIMIT)
        for name in ("hawklet --version", "hawklet --help")
    )
    result = SuiteResult("startup", "CPU time of a whole process, user and system", cpu_ms, claims)
    return finish(result, as_json=arguments.json, output=arguments.output)


if __name__ == "__main__":
    sys.exit(main())
