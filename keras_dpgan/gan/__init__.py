"""`DPGAN`, and what a training step is made of."""
