"""What people decide: the universe, the parameters, the claims, and the calendars that sessions follow."""
