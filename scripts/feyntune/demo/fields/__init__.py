"""What each field of science writes about, and its own way to go on from the first half of an abstract."""

from feyntune.demo.fields import cs, gr_qc, hep_ph, hep_th, q_bio

FIELDS = {"hep-th": hep_th.FIELD, "hep-ph": hep_ph.FIELD, "gr-qc": gr_qc.FIELD, "cs": cs.FIELD, "q-bio": q_bio.FIELD}

GUESTS = {
    "hep-th": ("gr-qc", "hep-ph"),
    "hep-ph": ("hep-th", "hep-th", "hep-th", "gr-qc"),
    "gr-qc": ("hep-th", "hep-th", "hep-th", "hep-ph"),
    "cs": ("q-bio",),
    "q-bio": ("cs",),
}
"""Fields in which a field's papers are cross-listed, as often as they stand here."""
