"""Writers: a report in, bytes out. A new format is one file and one entry of `WRITERS`."""

from rocketaudit.report import (
    console,
    csv_results,
    cyclonedx,
    evidence,
    html,
    junit,
    markdown,
    openmetrics,
    oscal,
    pack,
    report_json,
    sarif,
    xccdf,
)
from rocketaudit.report.writer import Writer

WRITERS: tuple[Writer, ...] = (
    console.WRITER,
    report_json.WRITER,
    html.WRITER,
    cyclonedx.WRITER,
    cyclonedx.WRITER_1_7,
    evidence.WRITER,
    markdown.WRITER,
    sarif.WRITER,
    junit.WRITER,
    csv_results.WRITER,
    openmetrics.WRITER,
    xccdf.WRITER,
    oscal.WRITER,
    pack.WRITER,
)
