"""`python -m hebbstream.cli`."""

import sys

from hebbstream.cli._main import main

sys.exit(main())
