"""Where shoppers and replies are kept while serving."""
