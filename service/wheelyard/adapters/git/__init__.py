"""git repositories of strangers: run git with everything disabled that a repository could use, and fetch commits."""
