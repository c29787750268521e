"""`python -m rocketaudit`."""

import sys

from rocketaudit.cli.main import main

sys.exit(main())
