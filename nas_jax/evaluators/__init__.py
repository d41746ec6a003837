"""Ways to obtain the metrics of a trial: one file a way."""
