"""Models made small on the newest stack: from a folder, with code of their own, and every class that is registered."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from sftdoctor.proof import prove
from sftdoctor.proof.options import RunSpec
from sftdoctor.proof.process import WORKER, worker_variables
from sftdoctor.target import read_interpreter

pytestmark = pytest.mark.lab

TABLE = Path(__file__).parents[2] / "fixtures" / "models" / "transformers-5.23.json"
"""What came of every class when it was last tried: model type → verdict, loss, why not."""
EVERY = Path(__file__).with_name("every_model.py")
QWEN = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "eos_token_id": 151645,
}
OWN_CODE = """
from transformers import LlamaConfig, LlamaForCausalLM


class MineConfig(LlamaConfig):
    model_type = "mine"


class MineForCausalLM(LlamaForCausalLM):
    config_class = MineConfig
"""
OWN = {
    "model_type": "mine",
    "auto_map": {"AutoConfig": "modeling_mine.MineConfig", "AutoModelForCausalLM": "modeling_mine.MineForCausalLM"},
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "vocab_size": 32000,
}


@pytest.mark.parametrize("as_file", [False, True])
def test_a_folder_with_a_chat_template(newest: Path, tmp_path: Path, as_file: bool) -> None:
    (tmp_path / "config.json").write_text(json.dumps(QWEN))
    (tmp_path / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    path = tmp_path / "config.json" if as_file else tmp_path
    asked = {"name": str(path), "path": str(path), "trust_remote_code": False}
    proof = prove(read_interpreter(str(newest)), model=asked, runs=[RunSpec("nf4")])
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert proof.model == "Qwen3ForCausalLM"
    assert any("tokenizer" in note for note in proof.notes)
    assert proof.certificate["subject"]["model"].startswith("sha256:")


@pytest.mark.parametrize("trusted", [False, True])
def test_code_of_its_own_runs_only_where_it_is_trusted(newest: Path, tmp_path: Path, trusted: bool) -> None:
    (tmp_path / "config.json").write_text(json.dumps(OWN))
    (tmp_path / "modeling_mine.py").write_text(OWN_CODE + f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    asked = {"name": "mine", "path": str(tmp_path), "trust_remote_code": trusted}
    proof = prove(read_interpreter(str(newest)), model=asked, runs=[RunSpec("nf4")])
    assert (tmp_path / "ran").exists() is trusted
    if trusted:
        assert (proof.verdict, proof.model) == ("passed", "MineForCausalLM"), (proof.failure, proof.reason)
    else:
        assert proof.verdict == "not-possible"
        assert "--trust-remote-code" in proof.reason


def test_every_causal_language_model(newest: Path, tmp_path: Path) -> None:
    """About ten minutes on a core. A class that trained once must go on to; -s shows the table."""
    known = json.loads(TABLE.read_text(encoding="utf-8"))
    found: dict[str, dict[str, object]] = {}
    while len(found) < len(known):  # one that kills the process takes none with it
        left = [name for name in known if name not in found]
        command = [str(newest), str(EVERY), str(WORKER), "cpu", "none", str(tmp_path / "work"), *left]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=3600, env=worker_variables(tmp_path), check=False
        )
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        found |= {str(one["type"]): one for one in told}
        dead = next((name for name in left if name not in found), None)
        if dead is not None:
            found[dead] = {"verdict": "failed", "why": f"the process died: {done.returncode}"}
    for name, one in found.items():
        print(f"{one['verdict']:<13} {name:<26} {one.get('seconds', ''):>6}  {one.get('why', '')}")
    print(Counter(one["verdict"] for one in found.values()))
    worse = {name: found[name]["why"] for name in known if known[name]["verdict"] == "passed" != found[name]["verdict"]}
    assert not worse
