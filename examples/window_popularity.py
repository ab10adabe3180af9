"""What was read most within the last minutes, kept in order at all times by sortedcontainers.

pip install sortedcontainers
newsreplay run --recommenders "popular,examples/window_popularity.py:WindowPopularity(minutes=30)"
"""

from collections import Counter, deque

from sortedcontainers import SortedSet

from newsreplay import READ, Recommender


class WindowPopularity(Recommender):
    """A read costs the logarithm of the articles in the window; an answer no more than its length."""

    def __init__(self, minutes=30):
        self.minutes = minutes

    def start(self, catalog):
        self.reads = deque()  # (time, article), oldest first
        self.count = Counter()
        self.latest = {}  # article: the row of its last read
        self.order = SortedSet(key=self.rank)  # the articles in the window, best first

    def rank(self, item):
        return -self.count[item], -self.latest[item]

    def move(self, item, by):
        self.order.discard(item)  # found by its old rank
        self.count[item] += by

    def learn(self, event):
        if event.kind >= READ:
            self.forget(event.time)
            self.reads.append((event.time, event.item))
            self.move(event.item, 1)
            self.latest[event.item] = event.row
            self.order.add(event.item)

    def forget(self, time):
        while self.reads and self.reads[0][0] <= time - 60_000 * self.minutes:
            _, item = self.reads.popleft()
            self.move(item, -1)
            if self.count[item]:
                self.order.add(item)

    def recommend(self, request, k):
        self.forget(request.time)
        return [item for item in self.order[: k + 1] if item != request.item][:k]

    def score(self, request, pool):
        self.forget(request.time)
        return [self.count[item] for item in pool]
