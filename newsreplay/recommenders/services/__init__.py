"""Services as recommenders: what answers over HTTP, or as a child process over its standard input and output."""
