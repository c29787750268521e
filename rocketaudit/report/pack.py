"""The bundle that an auditor files: report, evidence, bill of materials, rules, schemas, and a list of digests.

A ZIP archive (APPNOTE 6.3) of its own writing, so that the same report always gives the same bytes.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from hashlib import sha256

from rocketaudit.model.report import Report
from rocketaudit.report.csv_results import write_controls
from rocketaudit.report.cyclonedx import write_cyclonedx
from rocketaudit.report.document import digest_of
from rocketaudit.report.escape import json_text
from rocketaudit.report.evidence import write_evidence
from rocketaudit.report.html import write_html
from rocketaudit.report.markdown import write_markdown
from rocketaudit.report.report_json import write_json
from rocketaudit.report.summary import NO_CIS_PRODUCT
from rocketaudit.resources import read_text

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _UTF8_NAMES, _DEFLATE = 20, 0x800, 8
_DATE = (1980 - 1980) << 9 | 1 << 5 | 1  # the first day that the format knows: no clock in the bytes
_MODE = 0o100644 << 16

README = f"""What is in this bundle
report.json     the whole report (schema/report-1.0.json)
report.html     the same for a browser; report.md for a ticket
evidence.json   everything that was seen (schema/evidence-1.0.json); `rocketaudit judge` judges it again
sbom.cdx.json   bill of materials, CycloneDX 1.6, with the results as declarations
rules.json      which benchmarks, in which version, with which rules, how they were tailored, and the policy's digest
policy.toml     the policy, when there was one (schema/policy-1.0.json)
controls.csv    the results by control of NIST SP 800-53, 800-190 and the CIS numbers
SHA256SUMS      digests of all of these; check them with `sha256sum -c SHA256SUMS`
{NO_CIS_PRODUCT}
"""


def write_pack(report: Report) -> bytes:
    """The bundle as a ZIP archive."""
    members = list(_members(report))
    sums = "".join(f"{sha256(data).hexdigest()}  {name}\n" for name, data in members)
    return archive([*members, ("SHA256SUMS", sums.encode())])


def _members(report: Report) -> Iterator[tuple[str, bytes]]:
    yield "README.txt", README.encode()
    yield "report.json", write_json(report)
    yield "report.html", write_html(report)
    yield "report.md", write_markdown(report)
    if report.evidence.walked or report.evidence.facts:  # a report that was read back has none
        yield "evidence.json", write_evidence(report)
    yield "sbom.cdx.json", write_cyclonedx(report)
    yield "rules.json", _rules(report)
    if report.policy.text:
        yield "policy.toml", report.policy.text.encode()
    yield "controls.csv", write_controls(report)
    for name in ("report-1.0.json", "evidence-1.0.json", "policy-1.0.json"):
        yield f"schema/{name}", read_text(f"reports/schema/{name}").encode()


def _rules(report: Report) -> bytes:
    policy = report.policy
    document = {
        "tool": f"{report.tool.name} {report.tool.version}",
        "evidence": digest_of(report),
        "policy": {"path": policy.path, "digest": policy.digest, "fail_on": policy.fail_on, "as_of": policy.as_of},
        "tailoring": policy.tailoring,
        "benchmarks": [
            {
                "id": group.benchmark.id,
                "version": group.benchmark.version,
                "rules": [result.rule.id for result in group.results],
            }
            for group in report.benchmarks
        ],
    }
    return json_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def archive(members: Sequence[tuple[str, bytes]]) -> bytes:
    """A ZIP archive of ASCII names; ValueError for more or larger members than its 32-bit form can hold."""
    if len(members) > 0xFFFF or sum(len(data) for _, data in members) > 0x7FFFFFFF:
        raise ValueError("too much for a ZIP archive without its 64-bit extension")
    body, directory = bytearray(), bytearray()
    for name, data in members:
        raw, start = name.encode("ascii"), len(body)
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = deflate.compress(data) + deflate.flush()
        crc = zlib.crc32(data)
        common = (_VERSION, _UTF8_NAMES, _DEFLATE, 0, _DATE, crc, len(packed), len(data), len(raw))
        body += _LOCAL.pack(b"PK\x03\x04", *common, 0) + raw + packed
        directory += _CENTRAL.pack(b"PK\x01\x02", 3 << 8 | _VERSION, *common, 0, 0, 0, 0, _MODE, start) + raw
    end = _END.pack(b"PK\x05\x06", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return bytes(body + directory + end)
