# Weights & Biases: trainings record offline; `snakemake sync` sends the recordings from a machine with a network.


localrules:
    sync,


rule sync:
    """Send offline recordings to Weights & Biases; needs a network."""
    log:
        "results/logs/sync.log",
    shell:
        "python scripts/sync_wandb.py --log {log:q}"
