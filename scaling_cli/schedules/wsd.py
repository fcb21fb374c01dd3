"""Warm up, stay, decay."""

import numpy as np

from scaling_cli.schedules._schedule import Falling, Kind, Rates, falling, option


class Wsd(Falling):
    """Warmup-stable-decay: the peak until `stable`, then down to `min` (arXiv:2404.06395).

    `decay` names the way down. Where `decay` is a number, it is the length of the way down, in
    place of `stable`, and `shape` is its name.
    """

    stable: float = option("where the decay starts", Kind.PLACE)
    decay: str = option("how the rate falls", Kind.NAME, default="linear")
    power: float = option("exponent of a polynomial decay", Kind.NUMBER, default=1.0)

    @classmethod
    def spelled(cls, given: dict[str, str]) -> dict[str, str]:
        """Accept the length of the decay in `decay` and its name in `shape`."""
        length = given.get("decay", "")
        if not length[:1].isdigit() and not length.startswith("."):
            return given
        if "stable" in given:
            twice = f"stable={given['stable']} and decay={length} say the same twice."
            hint = "decay is the name of the way down, or its length in place of stable."
            raise cls.refused(twice, hint)
        unit = "tokens" if "tokens" in given else "steps"
        whole = cls.read({"peak": "1", "stable": length, unit: given.get(unit, length)})
        name = given.pop("shape", "linear")
        return {**given, "stable": repr(whole.length - whole.stable), "decay": name}

    def _shape(self) -> str:
        return self.decay

    def _check(self) -> None:
        super()._check()
        if self.stable < self.warmup:
            late = f"before the end of the warm-up at {self.warmup:g}."
            raise self.refused(f"the decay starts at {self.stable:g}, {late}")
        if self.decay != "polynomial" and self.power != 1:
            raise self.refused(f"power belongs to a polynomial decay, not to {self.decay}.")

    def _after(self, at: np.ndarray) -> Rates:
        way = self._way(at, self.stable)
        return falling(self.decay, way, self.peak, self.min, self.power)

    def _stretches(self) -> list[tuple[str, float]]:
        return [("constant", self.stable), (f"{self.decay} decay", self.length)]
