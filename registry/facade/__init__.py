"""The parts of `registry.Registry`, one module for each; a program gets them from a `Registry`."""
