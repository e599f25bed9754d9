"""Whose a file or folder is: what another user owns, that user can change at any time."""

import os


def belongs_to_another(status: os.stat_result) -> bool:
    """Whether it is neither this user's nor root's."""
    return status.st_uid not in (0, os.geteuid())
