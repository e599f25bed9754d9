"""The parts of `registry.Registry`, one module for each; programs get them from a `Registry`."""
