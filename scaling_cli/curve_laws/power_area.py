"""The plain power law in the area under the rate: the baseline that sees the schedule's area."""

from scaling_cli.curve_laws._curve_law import TISSUE_BIBTEX, CurveLaw


class PowerArea(CurveLaw):
    """L(t) = L0 + A S1^-alpha: drops of the rate take nothing off.

    S1(t) is the sum of the learning rate over steps.
    """

    reference = "arXiv:2408.11029, section 3"
    bibtex = TISSUE_BIBTEX
    clock = "none"
    decays = False
