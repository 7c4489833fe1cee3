"""HTTP in, HTTP out: requests become turns, turns become answers and streams."""
