"""What mattered: how much each gene of the architectures counts."""
