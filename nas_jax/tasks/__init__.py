"""What a network learns: loss, metrics and head of a data set."""
