# Weights & Biases: trainings record offline; `snakemake sync` sends the recordings from a machine with a network.


rule sync:
    """Send offline recordings to Weights & Biases; needs a network."""
    log:
        "results/logs/sync.log",
    localrule: True
    shell:
        'python "$FEYNTUNE_SCRIPTS/sync_wandb.py" --log {log:q}'
