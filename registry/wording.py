"""Numbers of things in words."""


def counted(number: int, thing: str) -> str:
    """A number of things, such as "1 event" or "12,000 events"."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
