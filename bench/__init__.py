"""`make bench`: whole processes against a reference command, alternating, medians and ratios, one Markdown page."""
