"""The sections of the configuration, one module per stage, so that a new key of one stage reruns that stage only."""
