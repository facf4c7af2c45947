"""`snakemake … check`: whether this machine and this cluster are fit for the configuration."""
