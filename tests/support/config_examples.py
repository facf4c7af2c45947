"""A small configuration, for tests of the configuration."""

SMALL = {
    "snapshots": {"arxiv": "arxiv.json"},
    "datasets": {
        "hep-th": {"snapshot": "arxiv", "categories": ["hep-th"]},
        "gr-qc": {"snapshot": "arxiv", "categories": ["gr-qc"]},
    },
    "models": {"tiny": {"path": "models/tiny"}, "other": {"path": "models/other", "training": {"batch_size": 4}}},
    "layer_sets": {"all": ["q_proj", "up_proj"], "qkv": ["v_proj", "q_proj", "k_proj"]},
    "grid": {"models": ["tiny"], "datasets": ["hep-th", "gr-qc"], "layer_sets": ["all", "qkv"]},
    "evaluation_sets": {"unseen": {"dataset": "hep-th", "limit": 10}},
}
