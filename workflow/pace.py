"""What keeps plans of thousands of jobs quick: work that Snakemake and Python would do again and again is spared."""

import atexit
import functools
import gc

import snakemake.common
import snakemake.rules


def quicken():
    """Look for garbage seldom, take nothing apart at the end, and read the parameters of a rule's function once.

    A plan is millions of objects that live to its end: looking for garbage among them, and taking them apart when the
    program ends anyway, is lost time. And Snakemake reads the signature of each function at every job: for 2,000 runs
    that is a quarter of a million times.
    """
    gc.set_threshold(50_000, 20, 100)
    atexit.register(gc.freeze)
    remembered = functools.cache(snakemake.common.get_function_params)
    snakemake.common.get_function_params = snakemake.rules.get_function_params = remembered
