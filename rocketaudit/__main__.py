"""`python -m rocketaudit`."""

from rocketaudit.cli.main import run

run()
