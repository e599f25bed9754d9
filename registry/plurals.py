"""Numbers of things in words."""


def plural(number: int, thing: str) -> str:
    """What so many of a thing are called: "event", but "events"."""
    return thing if number == 1 else f"{thing}s"


def counted(number: int, thing: str) -> str:
    """A number of things, such as "1 event" or "12,000 events"."""
    return f"{number:,} {plural(number, thing)}"
