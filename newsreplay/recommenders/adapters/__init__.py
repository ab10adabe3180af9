"""Online models of other packages as recommenders: river, scikit-learn's `partial_fit`."""
