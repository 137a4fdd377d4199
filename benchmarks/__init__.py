"""What a call through a breaker costs, as ratios to a wrapper that only does try and except."""
