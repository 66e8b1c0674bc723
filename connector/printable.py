"""Text from outside that is safe to look at."""


def printable(text: str) -> str:
    """The text, with a mark in place of all that steers a terminal or turns the direction of what is read."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
