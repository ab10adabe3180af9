"""From the parts of a source to the columns of a data set."""
