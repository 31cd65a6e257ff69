"""What a user holds in the hand: models, places in them, finished loops and packs."""
