"""What an application depends on, as its files say it."""
