"""What two wheels of one release have in common, and what not."""
