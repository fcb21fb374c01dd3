"""What `transformers` counts: `python tests/architecture_oracle.py` writes counts.json anew.

Each model is made on the meta device, which holds shapes and no numbers. The package is no
dependency: what it counted is recorded, with its version.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

COUNTS = Path(__file__).parent / "architectures" / "counts.json"


def counted(config: dict[str, Any]) -> int:
    """Return the parameters of a model as its code makes it, tied ones once."""
    torch, transformers = import_module("torch"), import_module("transformers")
    said = {name: value for name, value in config.items() if name != "model_type"}
    made = transformers.AutoConfig.for_model(config["model_type"], **said)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(made)
    model.tie_weights()
    return sum(parameter.numel() for parameter in model.parameters())


def main() -> None:
    """Write what each configuration counts, and who counted."""
    configs = import_module("architecture_configs").CONFIGS
    counts = {name: counted(config) for name, config in configs.items()}
    versions = {name: import_module(name).__version__ for name in ("transformers", "torch")}
    COUNTS.write_text(json.dumps({**versions, "params": counts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
