"""gr-qc: a spacetime is introduced, and what follows is its fate under a perturbation, and whether one could see it."""

from feyntune.demo.fields.common import ELABORATIONS, MENTIONS, OPENINGS, WORDS
from feyntune.demo.writing import Field

_KEYS = ("name", "matter", "aspect", "perturbation", "fate", "observable")
_SUBJECTS = (
    (
        "rotating black holes in Einstein-Gauss-Bonnet gravity",
        "a dilaton field",
        r"the Gauss-Bonnet coupling $\alpha$",
        "axial gravitational perturbations",
        "an eikonal instability",
        "the fundamental ringdown frequency",
    ),
    (
        "charged black holes in anti-de Sitter space",
        "a massless scalar field",
        "the electric charge $Q$",
        "spherically symmetric scalar pulses",
        "a cascade of energy to short wavelengths",
        "the collapse time",
    ),
    (
        "traversable wormholes supported by exotic matter",
        "a phantom scalar field",
        "the throat radius $b_0$",
        "radial perturbations of the throat",
        "an expansion of the throat",
        "a train of late-time echoes",
    ),
    (
        "Kerr black holes with ultralight scalar clouds",
        "a massive scalar field",
        r"the mass coupling $M\mu$",
        "bound state perturbations",
        "a superradiant instability",
        "the gap in the spin distribution",
    ),
    (
        "loop quantum cosmology of Bianchi I universes",
        "stiff matter",
        "the Barbero-Immirzi parameter $\\gamma$",
        "anisotropic shear perturbations",
        "a bounce at finite volume",
        "the power of primordial tensor modes",
    ),
    (
        "boson stars with a quartic self-interaction",
        "a complex scalar field",
        r"the central amplitude $\phi_0$",
        "polar fluid perturbations",
        "a collapse to a black hole",
        "the tidal Love number",
    ),
    (
        "cosmological models in $f(R)$ gravity",
        "pressureless dust",
        r"the scalaron mass $m_R$",
        "linear density perturbations",
        "a sudden future singularity",
        r"the growth index $\gamma$",
    ),
    (
        "inspiralling compact binaries at fourth post-Newtonian order",
        "two point masses",
        r"the symmetric mass ratio $\nu$",
        "conservative self-force perturbations",
        "a plunge at the innermost stable circular orbit",
        "the accumulated phase of the waveform",
    ),
    (
        "neutron stars in scalar-tensor gravity",
        "a polytropic fluid",
        r"the scalar coupling $\beta_0$",
        "quasi-radial oscillations",
        "a spontaneous scalarization",
        "the dipolar energy flux",
    ),
    (
        "Gowdy spacetimes with toroidal symmetry",
        "a vacuum",
        "the twist constant $\\tau_0$",
        "inhomogeneous wave perturbations",
        "a velocity-dominated singularity",
        "the density of spikes",
    ),
    (
        "regular black holes of Bardeen type",
        "nonlinear electrodynamics",
        "the magnetic charge $g$",
        "electromagnetic test perturbations",
        "a mass inflation at the inner horizon",
        "the radius of the shadow",
    ),
    (
        "the causal set approach to quantum gravity",
        "a sprinkling of events",
        "the discreteness scale $\\ell$",
        "local swerves of particle momenta",
        "a fluctuation of the cosmological constant",
        "the diffusion of photon energies",
    ),
    (
        "colliding plane gravitational waves",
        "a null fluid",
        "the polarization angle $\\theta$",
        "collinear metric perturbations",
        "a fold singularity in the interaction region",
        "the memory effect",
    ),
    (
        "Horava-Lifshitz gravity with detailed balance",
        "a perfect fluid",
        r"the running coupling $\lambda$",
        "scalar graviton perturbations",
        "a strong coupling at low energies",
        "the speed of gravitational waves",
    ),
    (
        "stationary extreme mass ratio inspirals",
        "a small compact object",
        "the eccentricity $e$",
        "second-order metric perturbations",
        "a transient orbital resonance",
        "the phase shift in the LISA band",
    ),
    (
        "inhomogeneous Lemaitre-Tolman-Bondi models",
        "collisionless dust",
        "the void radius $r_0$",
        "nonspherical gauge-invariant perturbations",
        "a shell crossing",
        "the luminosity distance",
    ),
)

_CIRCUMSTANCES = {
    "with a positive cosmological constant": "beyond the cosmological horizon",
    "in higher dimensions": "along the extra dimension",
    "with torsion": "in the antisymmetric sector",
    "immersed in a magnetic field": "along the magnetic axis",
    "surrounded by a thin plasma": "at low frequencies",
    "with a nonminimal coupling": "in the Jordan frame",
    "at high angular momentum": "near the extremal limit",
    "in the slow rotation approximation": "at second order in the spin",
    "with a quantum corrected metric": "close to the Planck scale",
}

FIELD = Field(
    subjects=tuple({"category": "gr-qc", **dict(zip(_KEYS, row, strict=True))} for row in _SUBJECTS),
    circumstances=_CIRCUMSTANCES,
    words=WORDS
    | {
        "value": ("0.<digit>", "0.<digit><digit>", "1.<digit>", "2.<digit>"),
        "method": ("numerically", "exactly", "by a WKB expansion", "with a spectral method", "in the time domain"),
        "generic": ("generic", "smooth", "asymptotically flat", "axisymmetric", "small but finite"),
    },
    titles=(
        "Stability of <name> <twist>",
        "<perturbation> of <name>",
        "<name> with <matter>",
        "<fate> in <name>",
    ),
    openings=(
        *OPENINGS,
        "The field equations of <name> <twist> are solved for <generic> initial data.",
        "We <study> <name> <twist>, coupled to <matter>.",
    ),
    elaborations=(
        *ELABORATIONS,
        "The solution is sourced by <matter> and is characterized by <aspect>.",
        "The causal structure resembles that of <other.name>.",
    ),
    mentions=(
        *MENTIONS,
        "The gravitational side of the problem is <other.fate> <other.echo>.",
        "In general relativity, <other.perturbation> are known to affect <other.observable>.",
    ),
    results=(
        "Under <perturbation> the solution undergoes <fate> <echo> when <aspect> exceeds $<value>$.",
        "By means of <perturbation>, solved <method>, we observe <fate> <echo> after $t = <digit>0M$.",
        "The master equation of <perturbation> has an unstable mode <echo>, which leads to <fate>.",
        "The solution is linearly stable <echo> unless <perturbation> trigger <fate>.",
        "For <generic> data the end state is <fate> <echo>, whatever <aspect>.",
    ),
    conclusions=(
        "The imprint on <observable> is of the order of <digit>\\% and may be seen by future detectors.",
        "As a consequence, <observable> deviates from its value in general relativity by $<value>$.",
        "We thus propose <observable> as a signature of <fate>.",
        "The result suggests a correspondence of <fate> with <other.fate>.",
        "<moreover>, cosmic censorship is respected, although <observable> depends on <aspect>.",
    ),
    single_sentences=(
        "We <show> that <perturbation> of <name> <twist> lead to <fate> when <aspect> exceeds $<value>$.",
        "It is shown <method> that <observable> distinguishes <name> <twist> from general relativity through <fate>.",
    ),
)
