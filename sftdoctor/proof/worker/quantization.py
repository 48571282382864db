"""Quantised layers: whether this machine can run one, whether one is what it should be, whose fault it is if not."""

import inspect
import re
import traceback

from .errors import NotPossibleError
from .events import chain, short
from .stack import NO_GPU

WANTS_GPU = re.compile(
    r"No GPU found|GPU is (?:needed|required)|CUDA is required|[Rr]equires? (?:a |an NVIDIA )?(?:GPU|CUDA)"
    r"|not compiled with CUDA|Found no NVIDIA driver|CPU or disk offload|on a different device than the one",
)


LACKING = re.compile(
    r"(?:not (?:been )?|n't seem to )(?:be )?installed|(?:pip|conda|[Pp]lease) install|not found in your environment"
)
NEEDS = re.compile(
    r"only (?:be )?(?:used|supported|available|works?) (?:on|with) (?:a )?(?:CUDA|GPU)|does not support .* attention"
    r"|does not support backward on CPU|use another device|does not support an attention implementation"
    r"|doesn't support .* attention|currently no available devices found"
)
"""What the libraries say of a setting that this machine or this model cannot have."""


def require_backend(stack, quantization, dtype):
    """Tries one layer of that quantisation alone, forward and backward.

    Raises:
        NotPossibleError: bitsandbytes is not there, or has no backend for this machine's processor.
    """
    if stack.lacks_bitsandbytes():
        raise NotPossibleError(stack.lacks_bitsandbytes())
    try:
        try_layer(stack, quantization, dtype)
    except Exception as error:
        if stack.cuda:
            raise  # a GPU is there and a lone layer fails on it: the stack is broken
        raise NotPossibleError(
            f"bitsandbytes {getattr(stack.bitsandbytes, '__version__', '')} has no {quantization} backend for this CPU "
            f"({short(error)}), and torch sees no GPU"
        ) from error


def try_layer(stack, quantization, dtype):
    """Quantises one linear layer on the device, runs it forward and backward."""
    torch = stack.torch
    if quantization == "int8":
        layer = stack.Linear8bitLt(64, 64, bias=False, has_fp16_weights=False)
        stored = torch.int8
    else:
        layer = stack.Linear4bit(64, 64, bias=False, compute_dtype=dtype, quant_type=quantization)
        stored = torch.uint8
    layer = layer.to(stack.device)
    inputs = torch.ones(2, 64, dtype=dtype, device=stack.device, requires_grad=True)
    layer(inputs).sum().backward()
    if layer.weight.dtype != stored:
        raise RuntimeError(f"the layer's weight stays {layer.weight.dtype}, it is not quantised")
    if inputs.grad is None or not bool(torch.isfinite(inputs.grad).all()):
        raise RuntimeError("no finite gradient comes back through the layer")


def refusal(stack, plan, stage, error):
    """Why a failure says no more than that a machine without a GPU cannot do this; empty where it says more."""
    if plan.settings or plan.sharding:
        reason = _unsupported(error)
        if reason:
            return reason
    if plan.quantization == "none" or stack.cuda or stage not in ("load", "trainer", "train"):
        return ""
    text = " | ".join(str(cause) for cause in chain(error))
    frames = " ".join(frame.name for cause in chain(error) for frame in traceback.extract_tb(cause.__traceback__))
    # transformers 4.46 to 4.5x looks for a backend in functions that stumble over themselves where there is but a CPU
    looking = "validate_bnb" in frames or ("validate_environment" in frames and NO_GPU.search(text))
    if "packed_for_cpu" in frames:
        return f"bitsandbytes' kernel for CPUs takes no layers of these shapes ({short(error)})"
    if looking or WANTS_GPU.search(text):
        return "the stack wants a GPU for it: " + short(error)
    # transformers before 4.43 says "please install bitsandbytes" where there is no GPU
    available = getattr(getattr(stack.transformers, "utils", None), "is_bitsandbytes_available", None)
    source = inspect.getsource(getattr(available, "__wrapped__", available)) if available else ""
    if isinstance(error, ImportError) and "cuda.is_available" in source and not available():
        return f"transformers {stack.transformers.__version__} uses bitsandbytes only where torch sees a GPU"
    return ""


def _unsupported(error):
    """Why a setting cannot be had here, where the libraries say that it needs what is not there; else empty."""
    for cause in chain(error):
        if (isinstance(cause, ImportError) and LACKING.search(str(cause))) or NEEDS.search(str(cause)):
            return short(cause)
    return ""


def plain_name(name):
    """Name of a module in the base model, without what peft puts around it."""
    return name.replace("base_model.model.", "", 1).replace(".base_layer", "")
