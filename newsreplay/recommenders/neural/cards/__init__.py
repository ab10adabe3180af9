"""News cards: how an article looks where it is offered, and what a network for images sees of that."""
