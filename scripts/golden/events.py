"""Event files and the real `tensorboard`: golden messages, and what Lorry wrote read back.

    python scripts/golden/events.py make tests/golden/events      # reference.json: the messages of tests/train/events_test.cpp
    python scripts/golden/events.py check RUN...                  # folders that `lorry train` wrote, with runs/ in them

`check` compares every number of RUN/log.jsonl with what tensorboard's EventAccumulator reads from RUN/runs: each once, none
missing, none more; X-ray and samples too. Exits 1 at the first difference.
"""

import json
import math
import statistics
import sys
from pathlib import Path

import google.protobuf
import tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

STEP = {"loss": "train/loss", "lr": "train/learning_rate", "grad_norm": "train/grad_norm",
        "tokens_per_second": "train/tokens_per_second", "eval_loss": "eval/loss", "eval_perplexity": "eval/perplexity"}
XRAY = ("delta_norm", "effective_rank", "sufficient_rank", "top_share", "amplification", "settled", "settled_top")


def messages():
    """The Events of the C++ test, by its names."""
    first = event_pb2.Event(wall_time=1.5e9, file_version="brain.Event:2")
    first.source_metadata.writer = "lorry train --out /tmp/ä"
    restart = event_pb2.Event(wall_time=1.5e9 + 0.25, step=301)
    restart.session_log.status = event_pb2.SessionLog.START
    scalars = event_pb2.Event(wall_time=1.7e9, step=2**40)
    scalars.summary.value.add(tag="train/loss", simple_value=2.345678)
    scalars.summary.value.add(tag="train/learning_rate", simple_value=0.0)
    text = event_pb2.Event(wall_time=1.7e9, step=7)
    metadata = summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="text"))
    shape = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)])
    content = ("    héllo\n    world\n" * 20).encode()
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_shape=shape, string_val=[content])
    text.summary.value.add(tag="samples/1", metadata=metadata, tensor=tensor)
    return {"first": first, "restart": restart, "scalars": scalars, "text": text}


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    out = {"provenance": f"scripts/golden/events.py make, tensorboard {tensorboard.__version__}, protobuf "
                         f"{google.protobuf.__version__}"}
    for name, event in messages().items():
        out[name] = event.SerializeToString(deterministic=True).hex()
    (folder / "reference.json").write_text(json.dumps(out, indent=2) + "\n")


def kind_of(module):
    """What follows the last number between two dots."""
    parts = module.split(".")
    numbers = [i for i, part in enumerate(parts[:-1]) if part.isdigit() and i > 0]
    return ".".join(parts[numbers[-1] + 1:]) if numbers else module


def expected(log):
    """{tag: [(step, value)]} of the lines of a log, and {tag: [(step, prompt, text)]} of its samples."""
    scalars, samples = {}, {}
    for line in log:
        step = line["step"]
        for key, tag in STEP.items():
            if isinstance(line.get(key), (int, float)):
                scalars.setdefault(tag, []).append((step, line[key]))
        for figure in XRAY:
            kinds = {}
            for module in line.get("xray", []):
                value = module.get(figure)
                if value is None or (module["delta_norm"] == 0 and figure != "delta_norm"):
                    continue
                scalars.setdefault(f"xray_layers/{figure}/{module['module']}", []).append((step, value))
                kinds.setdefault(kind_of(module["module"]), []).append(value)
            for kind, values in kinds.items():
                scalars.setdefault(f"xray/{figure}/{kind}", []).append((step, statistics.median(values)))
        for number, sample in enumerate(line.get("samples", []), 1):
            samples.setdefault(f"samples/{number}", []).append((step, sample["prompt"], sample["text"]))
    return scalars, samples


def indented(text):
    return "    " + text.replace("\n", "\n    ") + "\n"


def check(run):
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    scalars, samples = expected(log)
    # 0: keep everything.
    events = EventAccumulator(str(run / "runs"), size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False)
    events.Reload()
    found = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert found.keys() == scalars.keys(), sorted(found.keys() ^ scalars.keys())
    points = 0
    for tag, want in scalars.items():
        assert [step for step, _ in found[tag]] == [step for step, _ in want], (tag, found[tag], want)
        for (step, value), (_, exact) in zip(found[tag], want):
            assert math.isclose(value, exact, rel_tol=2**-23, abs_tol=1e-38), (tag, step, value, exact)
        points += len(want)
    texts = set(events.Tags()["tensors"])
    assert texts == {"config", *samples}, texts
    for tag, want in samples.items():
        have = [(e.step, e.tensor_proto.string_val[0].decode()) for e in events.Tensors(tag)]
        assert have == [(step, f"prompt\n\n{indented(prompt)}\ntext\n\n{indented(text)}") for step, prompt, text in want], tag
    steps = [line["step"] for line in log if "loss" in line]
    assert steps == list(range(1, len(steps) + 1)), steps
    files = len(list((run / "runs").iterdir()))
    print(f"{run}: {points} points of {len(scalars)} curves, {sum(map(len, samples.values()))} samples in {files} files: as in the log")


def main():
    command, paths = sys.argv[1], [Path(path) for path in sys.argv[2:]]
    if command == "make":
        make(paths[0])
    elif command == "check":
        for path in paths:
            check(path)
    else:
        sys.exit(f"found {command}; expected make or check")


main()
