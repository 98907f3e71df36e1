"""How rows are drawn from a generator, by a model and by its export."""
