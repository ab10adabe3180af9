"""The recommenders that newsreplay brings, by name: where their classes are, their aliases and presets."""

from __future__ import annotations

from newsreplay.recommenders.records import BuiltIn

_TABLE_2 = "Kille & Lommatzsch 2019"
BUILT_IN = {
    "random": BuiltIn("baselines.uniform:Uniform", "references", _TABLE_2, "reads", "cheap"),
    "popular": BuiltIn("baselines.popular:Popular", "popularity", _TABLE_2, "reads", "cheap"),
    "recency": BuiltIn("baselines.recency:Recency", "popularity", _TABLE_2, "reads", "cheap"),
    "circular": BuiltIn("baselines.circular:Circular", "popularity", "Lommatzsch 2014", "reads", "cheap"),
    "sequences": BuiltIn("baselines.sequences:Sequences", "sessions", _TABLE_2, "sessions", "cheap"),
    "content": BuiltIn("baselines.content:Content", "content", _TABLE_2, "categories", "cheap"),
    "minhash": BuiltIn("baselines.minhash:Minhash", "collaborative", "Das et al. 2007", "reads", "medium"),
    "trend": BuiltIn("baselines.trend:Trend", "popularity", _TABLE_2, "reads", "cheap"),
    "vsknn": BuiltIn("baselines.vsknn:VSkNN", "sessions", "Ludewig & Jannach 2018", "sessions", "medium"),
    "vmis": BuiltIn("baselines.vsknn:VMISkNN", "sessions", "Kersbergen et al. 2022", "sessions", "medium"),
    "stan": BuiltIn("baselines.stan:STAN", "sessions", "Garg et al. 2019", "sessions", "medium"),
    "itemknn": BuiltIn("baselines.itemknn:ItemKNN", "sessions", "Ludewig & Jannach 2018", "sessions", "medium"),
    "association": BuiltIn(
        "baselines.association:Association", "sessions", "Ludewig & Jannach 2018", "sessions", "medium"
    ),
    "counters": BuiltIn("counters:CounterRanker", "counters", "McMahan et al. 2013", "reads", "dear"),
    "river": BuiltIn("adapters.river:River", "counters", "Montiel et al. 2021", "reads river", "dear"),
    "sklearn": BuiltIn("adapters.sklearn:Sklearn", "counters", "Pedregosa et al. 2011", "reads sklearn", "dear"),
    "libfm": BuiltIn("factorisation.libfm:LibFM", "content", "Rendle 2012", "texts", "dear"),
    "deepfm": BuiltIn("factorisation.deepfm:DeepFM", "content", "Guo et al. 2017", "texts", "dear"),
    "thompson": BuiltIn("bandits.thompson:Thompson", "bandits", "Chapelle & Li 2011", "reads", "dear"),
    "ucb": BuiltIn("bandits.ucb:UCB", "bandits", "Auer et al. 2002", "reads", "medium"),
    "linucb": BuiltIn("bandits.linucb:LinUCB", "bandits", "Li et al. 2010", "reads", "dear"),
    "epsilon": BuiltIn("bandits.epsilon:Epsilon", "bandits", "Watkins 1989", "reads", "medium"),
    "gru4rec": BuiltIn("neural.recommenders:GRU4Rec", "sessions", "Hidasi et al. 2016", "sessions neural", "dear"),
    "sasrec": BuiltIn("neural.recommenders:SASRec", "sessions", "Kang & McAuley 2018", "sessions neural", "dear"),
    "narm": BuiltIn("neural.recommenders:NARM", "sessions", "Li et al. 2017", "sessions neural", "dear"),
    "stamp": BuiltIn("neural.recommenders:STAMP", "sessions", "Liu et al. 2018", "sessions neural", "dear"),
    "nrms": BuiltIn("neural.recommenders:NRMS", "neural", "Wu et al. 2019", "texts neural", "dear"),
    "naml": BuiltIn("neural.recommenders:NAML", "neural", "Wu et al. 2019", "texts neural", "dear"),
    "lstur": BuiltIn("neural.recommenders:LSTUR", "neural", "An et al. 2019", "texts neural", "dear"),
    "tanr": BuiltIn("neural.recommenders:TANR", "neural", "Wu et al. 2019", "texts neural", "dear"),
    "caum": BuiltIn("neural.recommenders:CAUM", "neural", "Qi et al. 2022", "texts neural", "dear"),
    "pprec": BuiltIn("neural.recommenders:PPRec", "neural", "Qi et al. 2021", "texts neural", "dear"),
    "awrs": BuiltIn("neural.recommenders:AWRS", "neural", "AWRS 2025", "texts neural", "dear"),
    "crown": BuiltIn("neural.recommenders:CROWN", "neural", "Ko et al. 2025", "texts neural", "dear"),
    "fim": BuiltIn("neural.recommenders:FIM", "neural", "Wang et al. 2020", "texts neural", "dear"),
    "punr": BuiltIn("neural.recommenders:PUNR", "neural", "Wu et al. 2023", "texts neural", "dear"),
    "nrms-bert": BuiltIn("neural.recommenders:NRMSBERT", "neural", "Wu et al. 2021", "texts neural", "dear"),
    "nrms-im": BuiltIn("neural.recommenders:NRMSIM", "neural", "Xun et al. 2021", "texts neural", "dear"),
    "fim-im": BuiltIn("neural.recommenders:FIMIM", "neural", "Xun et al. 2021", "texts neural", "dear"),
    "cennewsrec": BuiltIn("neural.recommenders:CenNewsRec", "neural", "Qi et al. 2020", "texts neural", "dear"),
    "sentirec": BuiltIn("neural.recommenders:SentiRec", "neural", "Wu et al. 2020", "texts neural", "dear"),
    "mins": BuiltIn("neural.recommenders:MINS", "neural", "Wang et al. 2022", "texts neural", "dear"),
    "npa": BuiltIn("neural.recommenders:NPA", "neural", "Wu et al. 2019", "texts neural", "dear"),
    "miner": BuiltIn("neural.recommenders:MINER", "neural", "Li et al. 2022", "texts neural", "dear"),
    "manner-cr": BuiltIn("neural.recommenders:MANNeRCR", "neural", "Iana et al. 2024", "texts neural", "dear"),
    "hierec": BuiltIn("neural.recommenders:HieRec", "neural", "Qi et al. 2021", "texts neural", "dear"),
    "glory": BuiltIn("neural.recommenders:GLORY", "neural", "Yang et al. 2023", "texts neural", "dear"),
    "cne-sue": BuiltIn("neural.recommenders:CNESUE", "neural", "Mao et al. 2021", "texts neural", "dear"),
    "dkn": BuiltIn("neural.recommenders:DKN", "neural", "Wang et al. 2018", "texts neural", "dear"),
    "mccm": BuiltIn("neural.recommenders:MCCM", "neural", "Wang et al. 2023", "texts neural", "dear"),
    "dssm": BuiltIn("neural.recommenders:DSSM", "neural", "Huang et al. 2013", "texts neural", "dear"),
    "unbert": BuiltIn("neural.recommenders:UNBERT", "neural", "Zhang et al. 2021", "texts neural", "dear"),
    "amm": BuiltIn("neural.recommenders:AMM", "neural", "Zhang et al. 2021", "texts neural", "dear"),
    "editorial": BuiltIn("baselines.editorial:Editorial", "popularity", "", "impressions", "cheap"),
    "blend": BuiltIn("mixtures:Blend", "mixtures", "", "parts", "medium"),
    "fallback": BuiltIn("mixtures:Fallback", "mixtures", "", "parts", "medium"),
    "lifetime": BuiltIn("lifetimes:Lifetime", "mixtures", "", "parts", "medium"),
    "mmr": BuiltIn("diversifying:MMR", "mixtures", "Carbonell & Goldstein 1998", "parts categories", "medium"),
    "calibrated": BuiltIn("diversifying:Calibrated", "mixtures", "Steck 2018", "parts categories", "medium"),
    "logged": BuiltIn("references.logged:Logged", "references", "", "impressions", "medium"),
    "replayed": BuiltIn("references.replayed:MadeElsewhere", "references", "", "answers", "medium"),
    "oracle": BuiltIn("references.oracle:Oracle", "references", "", "sessions", "cheap"),
}
ALIASES = {
    "popularity": "popular",
    "circular_buffer": "circular",
    "collaborative": "minhash",
    "pp-rec": "pprec",
    "trends": "trend",
}
PRESETS = {
    # The rows of Table 2 of Kille & Lommatzsch (2019), in its order.
    "baselines": (
        *("random", "random(hours=6)", "random(hours=12)", "random(hours=24)", "random(hours=48)"),
        *("popular", "popular(hours=6)", "popular(hours=12)", "popular(hours=24)", "popular(hours=48)"),
        "recency",
        *("circular(size=100)", "circular(size=200)", "circular(size=500)", "circular(size=1000)"),
        *("sequences", "content", "minhash"),
        *("trend(hours=2)", "trend(hours=6)", "trend(hours=12)", "trend(hours=24)"),
    ),
    "bandits": ("thompson", "ucb", "linucb", "epsilon"),
    # One of each family, the best that it has in the stream.
    "strong": ("trend", "sequences", "vsknn", "counters", "thompson(hours=2, fresh=0)", "nrms", "awrs"),
    "neural": (
        *("nrms", "naml", "lstur", "tanr", "caum", "pprec", "awrs", "crown", "fim"),
        *("nrms-bert", "punr", "nrms-im", "fim-im"),
        *("cennewsrec", "sentirec", "mins", "npa", "miner", "manner-cr"),
        *("hierec", "glory", "cne-sue", "dkn"),
        *("mccm", "dssm", "unbert", "amm"),
    ),
    "sessions": (
        *("sequences", "association", "itemknn", "vsknn", "vmis", "stan"),
        *("gru4rec", "sasrec", "narm", "stamp"),
    ),
}
#: Everything that ranks by itself and needs neither an estimator nor impressions as they were shown.
PRESETS["field"] = tuple(
    dict.fromkeys(
        (
            *(*PRESETS["baselines"], *PRESETS["bandits"], "counters", "libfm", "deepfm"),
            *(*PRESETS["sessions"], *PRESETS["neural"]),
        )
    )
)
