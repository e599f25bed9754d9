"""Counts with their nouns."""


def plural(number: int, thing: str) -> str:
    """The noun in singular or plural: "event" for 1, else "events"."""
    return thing if number == 1 else f"{thing}s"


def counted(number: int, thing: str) -> str:
    """A number and its noun, such as "1 event" or "12,000 events"."""
    return f"{number:,} {plural(number, thing)}"
