"""The same from Python: a run is an object that prints as the table and hands out pandas frames.

python examples/from_python.py
"""

from my_recommender import SameSection

import newsreplay


def main():
    run = newsreplay.run(data="demo", recommenders=[SameSection(size=50), "trend", "recency"], publishers=["A"])
    print(run)
    results = run.to_pandas()
    print(results[results.metric == "session_ndcg@10"].to_string(index=False))
    print(run.slates("A", "trend").head(3).to_string(index=False))


if __name__ == "__main__":
    main()
