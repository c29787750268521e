"""Writers: a report in, bytes out. A new format is one file and one entry of `WRITERS`."""

from rocketaudit.report import console, cyclonedx, evidence, html, report_json
from rocketaudit.report.writer import Writer

WRITERS: tuple[Writer, ...] = (
    console.WRITER,
    report_json.WRITER,
    html.WRITER,
    cyclonedx.WRITER,
    cyclonedx.WRITER_1_7,
    evidence.WRITER,
)
