"""Training across clients whose records never leave them."""
