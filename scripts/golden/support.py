"""What every golden script shares: a deterministic torch, provenance, and the loss as Lorry defines it."""

import json
import os
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here may reach a network

import peft
import safetensors
import tokenizers
import torch
import transformers
from safetensors.torch import save_file

IGNORED = -100  # a label that is no target, as transformers and torch spell it


def make_deterministic():
    """One thread, so that sums keep their order and a second run writes the same bytes."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.utils.logging.set_verbosity_error()
    warnings.simplefilter("ignore", FutureWarning)
    warnings.filterwarnings("ignore", "Could not find a config file")  # of our made-up base names, when PEFT saves
    transformers.utils.logging.disable_progress_bar()


def provenance(command, seed, **more):
    """Header of a safetensors file: who made it, with what, and how to make it again.

    One key, because safetensors writes its metadata in an order that changes from run to run.
    """
    tools = {m.__name__: m.__version__ for m in (torch, transformers, peft, tokenizers, safetensors)}
    return {"provenance": json.dumps({"command": command, "seed": seed, "tools": tools, **more}, sort_keys=True)}


def save_reference(path, tensors, metadata):
    """Writes tensors by sorted name; scalars become [1], since a reader may not expect rank 0."""
    flat = {}
    for name in sorted(tensors):
        tensor = torch.as_tensor(tensors[name]).detach().contiguous().clone()
        flat[name] = tensor.reshape(1) if tensor.dim() == 0 else tensor
    save_file(flat, path, metadata)


def save_adapter(model, folder):
    """Has PEFT write its adapter folder by its defaults, without the model card.

    The target list is sorted: PEFT keeps it as a set, whose order changes from run to run.
    """
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    sort_targets(folder / "adapter_config.json")


def sort_targets(path):
    """Sorts the lists that PEFT keeps as sets, and leaves the rest of its file as PEFT formats it."""
    config = json.loads(path.read_text())
    for field in ("target_modules", "modules_to_save", "exclude_modules"):
        if isinstance(config.get(field), list):
            config[field].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True))


def loss_sum(logits, labels):
    """Sum of -log p over the targets, in nats, and their number.

    logits [..., T, V], labels [..., T]: the label at t is predicted at t - 1, so labels[..., 0] is never a target.
    """
    targets = labels[..., 1:].reshape(-1)
    scores = logits[..., :-1, :].reshape(-1, logits.shape[-1])
    total = torch.nn.functional.cross_entropy(scores, targets, ignore_index=IGNORED, reduction="sum")
    return total, int((targets != IGNORED).sum())


def trainable(model):
    """[(name, parameter)] of what trains; LoRA names are spelled as in adapter_model.safetensors."""
    return [(n.replace(".default.", "."), p) for n, p in model.named_parameters() if p.requires_grad]
