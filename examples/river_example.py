"""river's models beside newsreplay's own recommenders, from Python, and when their success changed.

pip install "newsreplay[river]"
python examples/river_example.py
"""

from river import compose, linear_model, optim, preprocessing, reco

import newsreplay
from newsreplay.recommenders.adapters.river import River

PIPELINE = compose.Pipeline(
    preprocessing.StandardScaler(),
    linear_model.LogisticRegression(optimizer=optim.SGD(0.05)),
)


def main(data="demo"):
    mine = [River(PIPELINE, candidates=50), River(reco.BiasedMF(seed=1))]
    run = newsreplay.run(data=data, recommenders=["trend", *mine], publishers=["A"])
    print(run)
    for path in run.plot("pictures", drift=True)[:3]:
        print(f"drew {path}")


if __name__ == "__main__":
    main()
