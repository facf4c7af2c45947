"""What all sections of the configuration share."""

from feyntune.core.schema import Name, Section

__all__ = ["Name", "Section"]
