# What trainings recorded offline for Weights & Biases is sent when `snakemake sync` asks for it, where there is a network.


localrules:
    sync,


rule sync:
    log:
        "results/logs/sync.log",
    shell:
        "python scripts/sync_wandb.py --log {log}"
