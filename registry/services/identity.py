"""Who and where this process is, as far as the operating system says."""

import getpass
import os
import socket


def host() -> str:
    """This machine's name."""
    return socket.gethostname()


def user_at_host() -> str:
    """The operating system's user at this host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        user = f"uid{os.getuid()}"
    return f"{user}@{host()}"
