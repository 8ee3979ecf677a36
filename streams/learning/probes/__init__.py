"""Which items to ask new users about: `opinions` of other users, `interviews` of half of them, a `readout` of answers, and the
list that `greedy` extends; `orders` has the simple lists that it is compared with."""
