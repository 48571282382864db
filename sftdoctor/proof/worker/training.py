"""One training run: load, train, save, reload, and every check on the way."""

import math
import statistics
import sys

from . import sharding
from .checks import LOSS_MUST_FALL_TO, MEANING, Checks
from .errors import CheckError, NotPossibleError
from .events import number, some
from .figures import peak_memory
from .loading import Loading
from .plan import STEPS
from .quantization import refusal
from .ranks import compare, world_size
from .stack import parameters, place
from .watching import Watching


class Run(Loading, Watching, Checks):
    """One training run.

    Args:
        stack: The libraries.
        emit: Where the events go.
        subject: The model.
        plan: What is asked for.
        work_folder: A folder of its own.
        marked: Whether an unquantised model is marked as a 4-bit one.
    """

    def __init__(self, stack, emit, subject, plan, work_folder, marked=False):
        self.stack, self.emit, self.subject, self.plan, self.marked = stack, emit, subject, plan, marked
        self.quantization, self.work_folder = plan.quantization, work_folder
        self.torch, self.dtype = stack.torch, plan.dtype(stack)
        self.gradients, self.grad_finite = {}, {}
        self.passes, self.passing, self.again = 0, False, {}
        self.without_graph, self.dtypes = False, set()
        self.step_seconds, self.hooks = [], []
        self.failed = {}
        self.args = self.trained = None

    def run(self):
        """Does every stage in turn, and reports the first that fails.

        A stage that raises is the last one. A check that does not hold lets the run go on to the end of the training:
        what the libraries then say of it tells the user more.

        Returns:
            Whether it was possible at all on this device.
        """
        stages = (self.load, self.config, self.trainer_, self.train, self.save, self.reload)
        # of several ranks the first alone saves; where the model is shared out, all must hand in their parts
        for stage in stages[: 5 if self.plan.sharding else 4] if self.emit.rank else stages:
            name = self.stage = stage.__name__.rstrip("_")
            self.emit("stage", stage=name)
            try:
                stage()
            except NotPossibleError as error:
                self.emit("not_possible", stage=name, reason=str(error))
                return False
            except (Exception, SystemExit) as error:
                reason = refusal(self.stack, self.plan, name, error)
                if reason:
                    self.emit("not_possible", stage=name, reason=reason)
                    return False
                self.emit.failure(name, error)
                return True
            if self.failed and name not in ("load", "config", "trainer"):
                first = next(iter(self.failed))
                names = [check for checks in self.failed.values() for check in checks]
                self.emit.failure(first, CheckError("; ".join(MEANING[check] for check in names)))
                return True
        self.emit("passed")
        return True

    def make_arguments(self):
        """The training arguments, and what the trainer takes itself; made once."""
        if self.args is not None:
            return
        trl, transformers = self.stack.trl, self.stack.transformers
        config = getattr(trl, "SFTConfig", None) or transformers.TrainingArguments
        accepted, trainer_accepts = parameters(config.__init__), parameters(trl.SFTTrainer.__init__)
        self.plan.require(self.stack, accepted, trainer_accepts)
        wanted = self.arguments()
        packing = wanted.pop("packing", False)
        self.trainer_arguments = {}
        for names, value in (
            (("max_length", "max_seq_length"), 32),
            (("dataset_text_field",), "text"),
            (("packing",), packing),
        ):
            place(names, value, (accepted, wanted), (trainer_accepts, self.trainer_arguments))
        self.args = config(**{name: value for name, value in wanted.items() if name in accepted})

    def config(self):
        self.make_arguments()
        self.lora = self.plan.lora_config(self.stack, self.subject.targets)
        accepted = parameters(self.stack.trl.SFTTrainer.__init__)
        key = "processing_class" if "processing_class" in accepted else "tokenizer"
        self.trainer_arguments.update({key: self.tokenizer, "args": self.args, "peft_config": self.lora})
        rows = self.plan.rows(self.tokenizer)
        self.trainer_arguments["train_dataset"] = self.stack.datasets.Dataset.from_dict(rows)

    def arguments(self):
        return self.plan.arguments(self.stack, self.work_folder / "out")

    def trainer_(self):
        called = set()
        if self.marked:
            self.model.is_loaded_in_4bit = True
        sys.setprofile(lambda frame, event, _: called.add(frame.f_code.co_name) if event == "call" else None)
        try:
            self.trainer = self.stack.trl.SFTTrainer(model=self.model, **self.trainer_arguments)
        finally:
            sys.setprofile(None)
        if self.marked:
            # prepared by now; transformers would from here on count bitsandbytes' storage, which is not there
            for module in self.trainer.model.modules():
                module.__dict__.pop("is_loaded_in_4bit", None)
            self.emit("figure", name="marked_as_4bit", value=True)
        self.emit("figure", name="kbit_preparation", value="prepare_model_for_kbit_training" in called)
        self.trainer.add_callback(self.observer())
        self.lora_before = {name: sharding.whole(p) for name, p in self.lora_parameters().items()}
        trainable = {name for name, p in self.trainer.model.named_parameters() if p.requires_grad}
        expected = set(self.lora_parameters())
        odd = sorted(trainable ^ expected)
        self.check("only_lora_trains", expected and not odd, some(odd) or f"{len(expected)} parameters")

    def train(self):
        self.check_labels()
        self.trainer.train()
        losses = [entry["loss"] for entry in self.trainer.state.log_history if "loss" in entry]
        losses = losses or [math.nan]
        self.check("loss_finite", all(map(math.isfinite, losses)), number(losses[0]))
        if world_size() > 1:
            self.check("ranks_agree", *compare(self.torch, map(sharding.whole, self.lora_parameters().values())))
        if self.plan.sharding:
            ran = sharding.ran(self.trainer)
            is_part, told = sharding.share(self.trainer, ran)
            # a config of the user's own may leave small weights whole
            self.check("sharded", ran == self.plan.sharding and (is_part or "sharding" not in self.plan.settings), told)
        self.check_adapter()
        self.check_base()
        self.check_settings()
        self.check("optimizer_holds_lora_alone", *self.optimizer_holds)
        share = LOSS_MUST_FALL_TO["other" if self.subject.source else "own"]
        fell = len(losses) == STEPS and losses[-1] <= share * losses[0] != 0
        self.check("loss_falls", fell, [number(losses[0]), number(losses[-1])])
        self.emit("figure", name="seconds_per_step", value=statistics.median(self.step_seconds[1:]))
        self.emit("figure", name="peak_memory_bytes", value=peak_memory(self.stack))
