"""`python -m hebbstream.cli`."""

import sys

from hebbstream.cli import main

sys.exit(main())
