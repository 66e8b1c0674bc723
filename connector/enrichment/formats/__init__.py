"""How SIEMs want to be told: each module holds the formats of one of them."""
