"""Writers: a report in, bytes out. A new format is one file and one line of `WRITERS`."""

from rocketaudit.report.writer import Writer

WRITERS: tuple[Writer, ...] = (
    Writer("console", ".txt", "console:write_console", "one screen for a person"),
    Writer("json", ".json", "report_json:write_json", "the whole report for programs (schema report-1.0)"),
    Writer("html", ".html", "html:write_html", "one self-contained file for a browser"),
    Writer(
        "cyclonedx", ".cdx.json", "cyclonedx:write_cyclonedx", "bill of materials, CycloneDX 1.6", wants_sha512=True
    ),
    Writer(
        "cyclonedx-1.7",
        ".cdx.json",
        "cyclonedx:write_cyclonedx_1_7",
        "bill of materials, CycloneDX 1.7",
        wants_sha512=True,
    ),
    Writer(
        "spdx",
        ".spdx.json",
        "spdx_2:write_spdx",
        "bill of materials, SPDX 2.3 (needs `pip install 'rocketaudit[spdx]'`)",
        wants_sha512=True,
        library="spdx_tools",
    ),
    Writer(
        "spdx3",
        ".spdx3.json",
        "spdx_3:write_spdx3",
        "bill of materials, SPDX 3.0.1 (JSON-LD)",
        wants_sha512=True,
    ),
    Writer("evidence", ".evidence.json", "evidence:write_evidence", "everything that was seen, to be judged again"),
    Writer("markdown", ".md", "markdown:write_markdown", "a summary for a pull request"),
    Writer("sarif", ".sarif", "sarif:write_sarif", "SARIF 2.1.0 for code-scanning views"),
    Writer("junit", ".xml", "junit:write_junit", "JUnit XML for CI servers"),
    Writer("csv", ".csv", "csv_results:write_csv", "one line a rule for a spreadsheet"),
    Writer(
        "controls",
        ".controls.csv",
        "csv_results:write_controls",
        "one line a control of NIST SP 800-53, 800-190 and CIS",
    ),
    Writer("openmetrics", ".prom", "openmetrics:write_openmetrics", "gauges for Prometheus"),
    Writer("xccdf", ".xccdf.xml", "xccdf:write_xccdf", "XCCDF 1.2 results, as OpenSCAP and STIG tools read them"),
    Writer("oscal", ".oscal.json", "oscal:write_oscal", "OSCAL assessment results"),
    Writer("pack", ".zip", "pack:write_pack", "the bundle that an auditor files", wants_sha512=True),
)
