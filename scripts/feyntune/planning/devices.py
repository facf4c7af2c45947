"""What devices can do: a table of cards, and what of their peak the stages reach.

The peaks are from the makers' data sheets (dense bfloat16, without sparsity). The shares of them are what is commonly
reported for 4-bit models of billions of parameters; what earlier jobs were measured to take corrects both.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A graphics card, or cores of a processor."""

    name: str
    operations: float
    """Floating-point operations a second, at most."""
    bandwidth: float
    """Bytes a second between its memory and itself."""
    memory: float | None
    """Bytes; None for a processor, whose jobs have what they ask for."""
    training: float = 0.3
    """Share of the peak that training over 4-bit weights reaches."""
    forward: float = 0.4
    """Share of it that a forward pass reaches."""
    layer: float = 1.2e-3
    """Least seconds that a token takes in a block of a model: starting its kernels."""
    start: float = 25
    """Seconds in which a program that needs torch starts on it."""


def _card(name, teraflops, gigabytes_per_second, gigabytes):
    return Device(name, teraflops * 1e12, gigabytes_per_second * 1e9, gigabytes * 2**30)


CARDS = (
    _card("A100 80GB", 312, 2039, 80),
    _card("A100", 312, 1555, 40),
    _card("H200", 989, 4800, 141),
    _card("H100 NVL", 835, 3900, 94),
    _card("H100 PCIe", 756, 2000, 80),
    _card("GH200", 989, 4000, 96),
    _card("H100", 989, 3350, 80),
    _card("B200", 2250, 8000, 180),
    _card("L40S", 362, 864, 48),
    _card("L40", 181, 864, 48),
    _card("L4", 121, 300, 24),
    _card("A6000", 155, 768, 48),
    _card("A40", 150, 696, 48),
    _card("A30", 165, 933, 24),
    _card("A10", 125, 600, 24),
    _card("V100 32GB", 125, 900, 32),
    _card("V100", 125, 900, 16),
    _card("T4", 65, 320, 16),
    _card("RTX 3090", 71, 936, 24),
    _card("RTX 4090", 165, 1008, 24),
    _card("RTX 5090", 210, 1792, 32),
)
DEFAULT = "A100"


def processor(threads):
    """So many cores of a processor, with what one of them reached on the embedded default in float32."""
    return Device("CPU", 25e9 * threads, 5e9 * threads, None, training=1, forward=1, layer=3e-4, start=6)


def find_card(text):
    """The card that a text such as ``ampere_a100`` or ``NVIDIA H100 80GB HBM3`` names; None if none is known."""
    words = set(re.findall(r"[a-z]*\d+[a-z]*|[a-z]+", text.lower()))
    names = {card: card.name.lower() for card in CARDS}
    fitting = [card for card in CARDS if {*names[card].split()} <= words or names[card].replace(" ", "") in words]
    return max(fitting, key=lambda card: len(card.name), default=None)


def kind_of(text):
    """The name under which measurements of a device are compared: a known card's, or ``CPU``, or the text itself."""
    card = find_card(text)
    return "CPU" if "CPU" in text else card.name if card else text


def card_here():
    """The card of this machine as `nvidia-smi` calls it; None without one."""
    if not shutil.which("nvidia-smi"):
        return None
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout.strip() else None
