# ruff: noqa: INP001 - a script beside the files that it writes
"""Writes into deploy/ what follows from the rules: which keys collect.sh reads, and the SSM document that runs it.

`--check` only says whether the files are current.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path

from rocketaudit.analysis.benchmark import needs
from rocketaudit.cli.running import SHIPPED, read_benchmarks
from rocketaudit.evidence.bundle import bundle_keys, keys_digest

HERE = Path(__file__).parent
COLLECTOR = HERE / "control" / "collect.sh"
DOCUMENT = HERE / "ssm" / "rocketaudit-collect.json"
_BLOCK = re.compile(r"(?<=do not edit ---\n).*?(?=# --- end of what is generated ---)", re.DOTALL)


def collector(text: str) -> str:
    """collect.sh with the list of keys that the shipped rules need today."""
    keys = bundle_keys(needs(read_benchmarks(SHIPPED)))
    lines = [f"KEYS={keys_digest(keys)}"]
    for variable, name in (
        ("SYSCTLS", "sysctl"),
        ("ARGUMENTS", "kernel_arg"),
        ("OPTIONS", "kconfig"),
        ("UNITS", "unit"),
    ):
        words = textwrap.wrap(" ".join(keys[name]), 110, break_on_hyphens=False, break_long_words=False)
        lines.append(f'{variable}="{" ".join(words[:1])}"')
        lines += [f'{variable}="${variable} {more}"' for more in words[1:]]
    settings = textwrap.wrap(", ".join(keys["setting"]), 110, break_on_hyphens=False, break_long_words=False)
    lines.append("SETTINGS='[" + "\n  ".join(settings) + "]'")
    return _BLOCK.sub(lambda _: "\n".join(lines) + "\n", text)


def document(script: str) -> str:
    """The SSM document whose one step is collect.sh."""
    body = script.replace("{{", "{ {").replace("}}", "} }")
    start = 'set -- --nonce "{{ Nonce }}"'
    commands = [line.rstrip() for line in body.splitlines()]
    at = next(number for number, line in enumerate(commands) if line.startswith("NONCE="))
    raw = {
        "schemaVersion": "2.2",
        "description": "Reads, through the control container, what rocketaudit needs to judge a Bottlerocket node. "
        "Changes nothing. Judge the output with `rocketaudit judge --bundle FILE --nonce NONCE`.",
        "parameters": {
            "Nonce": {
                "type": "String",
                "description": "A text that the answer must repeat, so that an old answer is no answer.",
                "allowedPattern": "^[A-Za-z0-9._-]{1,128}$",
                "default": "-",
            }
        },
        "mainSteps": [
            {
                "action": "aws:runShellScript",
                "name": "collect",
                "precondition": {"StringEquals": ["platformType", "Linux"]},
                "inputs": {"timeoutSeconds": "120", "runCommand": [*commands[:at], start, *commands[at:]]},
            }
        ],
    }
    return json.dumps(raw, indent=2) + "\n"


def main() -> int:
    script = collector(COLLECTOR.read_text(encoding="utf-8"))
    files = {COLLECTOR: script, DOCUMENT: document(script)}
    if "--check" in sys.argv[1:]:
        return (
            0 if all(path.is_file() and path.read_text(encoding="utf-8") == text for path, text in files.items()) else 1
        )
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
