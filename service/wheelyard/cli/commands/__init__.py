"""Options and help of the commands. What a command does is imported when it runs."""
