import numpy as np

HOUR = 3_600_000  # ms


def late_night_success(judged, since=22, until=24):
    """Hits at 1 among the reads of the late evening (UTC), per cent."""
    hour = judged.reads.time // HOUR % 24
    late = (hour >= since) & (hour < until) & judged.reads.asked
    return judged.per_read(100 * (late & (judged.place == 1)), late)


def new_readers(judged):
    """Hits at 1 per session of readers who had read nothing before, per cent."""
    hits = judged.sum_by_session(judged.place == 1)
    return judged.per_session(np.where(judged.sessions.returning, np.nan, 100 * hits))


def sections(judged):
    """How many sections a slate has."""
    articles, slates = judged.data.articles, judged.slates
    section = np.sort(np.where(slates >= 0, articles.category[slates], -1), axis=1)
    changes = (section[:, 1:] != section[:, :-1]) & (section[:, 1:] >= 0)
    return judged.per_request(changes.sum(axis=1) + (section[:, 0] >= 0))
