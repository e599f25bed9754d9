"""Tables that a bot wrote itself become the registry's."""
