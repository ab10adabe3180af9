"""A recommender of one's own: what others are reading in the section of the article on screen.

newsreplay run --recommenders "trend,examples/my_recommender.py:SameSection(size=50)"
"""

from collections import deque

from newsreplay import READ, Recommender


class SameSection(Recommender):
    def __init__(self, size=100):
        self.size = size

    def start(self, catalog):
        self.latest = {}

    def learn(self, event):
        if event.kind >= READ:  # not what was only published or shown
            section = self.latest.setdefault(event.category, deque(maxlen=self.size))
            section.appendleft(event.item)

    def recommend(self, request, k):
        others = [item for item in self.latest.get(request.category, ()) if item != request.item]
        return list(dict.fromkeys(others))[:k]
