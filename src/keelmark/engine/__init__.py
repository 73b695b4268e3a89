"""Commands become events, events move the book: the liquidation process of a venue."""
