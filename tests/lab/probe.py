"""Runs inside the node: collects evidence as `rocketaudit node` does; judged outside.

Without programs and digests, which take long there, unless the third word is `full`; with digests if DIGESTS is set.
"""

import json
import os
import sys
from pathlib import Path

from rocketaudit.evidence import COLLECTORS
from rocketaudit.evidence.collect import collect
from rocketaudit.formats.evidence_file import dump_evidence
from rocketaudit.model.budget import Budget
from rocketaudit.model.evidence import Wants
from rocketaudit.model.fact import Key
from rocketaudit.model.progress import NoProgress
from rocketaudit.model.target import Tool
from rocketaudit.source.gently import step_back
from rocketaudit.source.live import Asking, open_node
from rocketaudit.source.whereabouts import find_places

full = sys.argv[3:] == ["full"]
keys = tuple(Key.parse(text) for text in json.loads(Path(sys.argv[1]).read_text()))
refused = step_back()
source = open_node(find_places(Path("/"), rootfs=None, api=None), Budget(), Asking())
evidence = collect(
    source,
    Wants(keys=keys, binaries=full, digests=full or "DIGESTS" in os.environ),
    collectors=COLLECTORS,
    workers=1,
    progress=NoProgress(),
    tool=Tool("probe", ""),
    when="",
)
Path(sys.argv[2]).write_bytes(dump_evidence(evidence))
print("refused", refused)
