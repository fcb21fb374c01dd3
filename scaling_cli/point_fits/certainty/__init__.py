"""How sure a fit is: draws, resamples, profiles, drift."""
