"""The one exception that a user is meant to read.

Everything else that is raised is a bug, and keeps its traceback.
"""


class UserError(Exception):
    """Bad input. Its message is one line that says what is wrong and what to do about it.

    The entry points print that line and exit with code 2.
    """
