"""Articles as numbers: words, word vectors, language models, names."""
