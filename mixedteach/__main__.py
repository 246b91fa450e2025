"""``python -m mixedteach`` is the command ``mixedteach``, wherever pip put that."""

import sys

from mixedteach.cli import main

sys.exit(main())
