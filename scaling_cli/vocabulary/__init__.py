"""The words that every part shares: quantities, errors, outcomes, records of JSON."""
