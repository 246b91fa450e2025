"""From a design to an optimum: deviance, its derivatives, and the search for its minimum."""
