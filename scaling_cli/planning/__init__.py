"""From a fit to a decision: which size and how many tokens, what it costs, what it runs on."""
