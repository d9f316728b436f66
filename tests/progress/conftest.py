"""What cannot be collected everywhere."""

import sys

collect_ignore = ["test_pty.py"] if sys.platform == "win32" else []
"""Windows has no pseudoterminals of this kind; what draws is the same there, and tested in memory."""
