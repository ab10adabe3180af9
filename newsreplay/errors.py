"""The errors newsreplay raises on purpose: each names the thing, the value and the way out."""


class NewsreplayError(Exception):
    """Any error that is the input's and not newsreplay's; the command line prints it without a traceback."""


class DataError(NewsreplayError):
    """A data set cannot be found, read or prepared."""


class SpecError(NewsreplayError):
    """A recommender or data spec names something that does not exist or cannot be parsed."""


class RecommenderError(NewsreplayError):
    """A recommender broke its contract: it recommended something unknown or not an article at all."""


class RunError(NewsreplayError):
    """A run folder cannot be written or read."""
