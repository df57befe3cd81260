"""A queue for moderators: the rows at which a look is worth most, and what they say of them."""
