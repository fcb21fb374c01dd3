"""Arrays in, arrays out: estimators, quantiles, minimisers that know no word of ours."""
