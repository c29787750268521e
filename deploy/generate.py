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
TEMPLATE = HERE / "ssm" / "template.json"
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


def document(script: str) -> dict[str, object]:
    """The SSM document whose one step is collect.sh."""
    body = script.replace("{{", "{ {").replace("}}", "} }")
    start = 'set -- --nonce "{{ Nonce }}"'
    commands = [line.rstrip() for line in body.splitlines()]
    at = next(number for number, line in enumerate(commands) if line.startswith("NONCE="))
    return {
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
                "inputs": {"timeoutSeconds": "420", "runCommand": [*commands[:at], start, *commands[at:]]},
            }
        ],
    }


def template(content: dict[str, object]) -> dict[str, object]:
    """A CloudFormation template: the document, and an association that runs it on a schedule."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Scheduled, read-only audits of Bottlerocket nodes through their control containers.",
        "Parameters": {
            "Schedule": {"Type": "String", "Default": "rate(6 hours)", "Description": "When State Manager runs it."},
            "TagKey": {"Type": "String", "Default": "rocketaudit", "Description": "Nodes with this tag are audited."},
            "TagValue": {"Type": "String", "Default": "yes"},
            "Bucket": {"Type": "String", "Description": "Bucket that takes the bundles, to be judged by a pipeline."},
            "Prefix": {"Type": "String", "Default": "rocketaudit"},
        },
        "Resources": {
            "Collector": {
                "Type": "AWS::SSM::Document",
                "Properties": {
                    "DocumentType": "Command",
                    "DocumentFormat": "JSON",
                    "TargetType": "/AWS::EC2::Instance",
                    "UpdateMethod": "NewVersion",
                    "Content": content,
                },
            },
            "Schedules": {
                "Type": "AWS::SSM::Association",
                "Properties": {
                    "AssociationName": "rocketaudit-collect",
                    "Name": {"Ref": "Collector"},
                    "ScheduleExpression": {"Ref": "Schedule"},
                    "Targets": [{"Key": {"Fn::Sub": "tag:${TagKey}"}, "Values": [{"Ref": "TagValue"}]}],
                    "MaxConcurrency": "10%",
                    "MaxErrors": "100%",
                    "OutputLocation": {
                        "S3Location": {"OutputS3BucketName": {"Ref": "Bucket"}, "OutputS3KeyPrefix": {"Ref": "Prefix"}}
                    },
                },
            },
        },
    }


def text_of(raw: object) -> str:
    return json.dumps(raw, indent=2) + "\n"


def main() -> int:
    script = collector(COLLECTOR.read_text(encoding="utf-8"))
    content = document(script)
    files = {COLLECTOR: script, DOCUMENT: text_of(content), TEMPLATE: text_of(template(content))}
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
