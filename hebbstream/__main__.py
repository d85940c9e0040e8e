"""`python -m hebbstream`: the same as the command `hebbstream`."""

import sys

from hebbstream.cli._main import main

if __name__ == "__main__":
    sys.exit(main())
