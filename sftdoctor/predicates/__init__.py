"""What a rule may ask: one small function each, by name.

How a rule asks
---------------
`[applies]` is the cheap gate: distribution = PEP 440 range, "*" (any version) or "absent"; `python` is a name there
too. `[fails]` is the judge: `probe` names a predicate, the other keys are its arguments. The rule makes a finding where
the predicate *fails*, that is, where what the table says is true of the target. A predicate that cannot know says so,
and the rule is then counted as not judged. In TOML an inline table is one line; several conditions read best as

    [fails]
    probe = "all"                                  # all | any take `of = [ … ]`; not takes `of = { … }`
    of = [
      { probe = "facts", where = { gradient_checkpointing = true, use_reentrant = ["unset", true] } },
      { probe = "not", of = { probe = "version", distribution = "transformers", in = ">=5.0" } },
    ]

Predicates (argument* = required; texts = a text or a list of texts, any of which will do)
------------------------------------------------------------------------------------------
all            of*                                      every condition is there (stops at the first that is not)
any            of*                                      at least one is there
not            of*                                      it is not there
version        distribution*, in*                       installed version lies in the range ("absent" allowed)
python         in*                                      the target's Python lies in the range
requirement    kind* (declared|extra), within (core|run|elsewhere), distribution, dependency
                                                        declared requirement not met; one finding each
requires-python                                         a distribution excludes the target's Python; one each
signature      callable*, lacks | has                   callable takes (or not) a keyword; unreadable source: unknown
offers         module*, lacks | has                     module offers (or not) a name; unreadable source: unknown
link           kind*, caller, callee, name, symbol, module, expression
                                                        the linker found such a break; the rule decorates it
gpu            present | kind | capability | memory | lacks_dtype | name | count
                                                        some accelerator is like that ("<8.0", GiB), or so many are
torch-arch                                              torch has no code for a GPU that is there
torch-build    lacks* (cuda|hip|xpu|distributed)        torch was built without it
torch-symbols  distribution*, file*                     a compiled module asks torch for a function that it has not
bitsandbytes-library                                    bitsandbytes has no library for torch's CUDA or ROCm
bitsandbytes-choice                                     BNB_CUDA_VERSION chooses a library that bitsandbytes has not
code-for-gpu   distribution*, file                      its compiled modules have no code for a GPU that is there
memory         bound* (least|estimate)                  the GPUs have less memory than this training needs
driver                                                  NVIDIA driver older than torch's CUDA generation
driver-version below*                                   NVIDIA driver older than that
source         module*, has, lacks                      the module's text has (or lacks) these words
unlisted       fact*, module*, name*                    the fact's value is not in that enumeration or table
unknown-keyword  fact*, callable*, except               the fact names keywords that the callable has not itself
compare        left*, is*, right*, left_default, right_default
                                                        two facts: less, at-least, more, no-multiple, equal,
                                                        different, not-among
modules        fact*, unmatched* (all|some)             names of an adapter config match no module of the model
passes         module*, class*, method*, keyword*       the script gives that keyword to a method of an imported class
video-processor                                         by its name, the model's processor takes videos too
loads-file     name*, unless                            the script makes the path of such a file, and reads files
template-use   as* (raises|silent|mapping)              the script uses what apply_chat_template gives in that way
callback       flaw* (refuses|lacks|asks)               a callback of the script and what the Trainer passes it differ
reward         flaw* (refuses|lacks)                    a reward function and what trl passes it differ
unused         name*                                    the script imports the name and never uses it
facts          where*                                   all lines true of one script (or the scenario) and the model
model          where*                                   all lines true of config.json ("a.b" goes into tables)
live           where*                                   all lines true of what preflight measured on a live trainer;
                                                        never there in a check (names: predicates.live.LIVE)
problem        kind*, name                              the installation has such a flaw; one each
shadowed                                                a file beside the script hides a module that the run needs
core-missing                                            a distribution the scenario needs is not there; one each
training       outcome | cause, frozen_by, error        the script's training comes to that: trains, no-grad, silent,
                                                        raises (the libraries' functions are evaluated)
gc-override    refuses | silent                         the model's own code meets gradient checkpointing like that
platform       system | machine                         sys.platform, platform.machine()
ignore-comment state* (unused|without-reason)           a comment `# sftdoctor: ignore[ID] reason` is like that
log                                                     only a log shows it, by the rule's symptom; its cases are logs

A line of `where` is `name = VALUE`, where VALUE is a plain value, a list of them (any), "unset" (not said), "none"
(None), "set" (said, whatever it is), or a table of `not`, `at_least`, `at_most`, `is_number_as_text`. Fact names are
those of workload.VOCABULARY. A fact whose value is "unknown" (it shows only when the script runs) makes the answer
unknown.

A fix may say for which of the asked-for `names` it is, and `when` it is offered: a probe like `[fails]`, so that the
installed code decides (`when = { probe = "signature", callable = "{callable}", has = "eval_strategy" }`).

Texts of a rule (title, message, a fix's require, arguments, when) may hold `{peft}` (its installed version),
`{python}`, `{fact.NAME}` and the values that the predicate defines (see `Registered.values`), such as `{gpu}`.
"""

from __future__ import annotations

from sftdoctor.predicates import (
    binaries,
    callbacks,
    code,
    compare,
    facts,
    gradients,
    hardware,
    installation,
    links,
    live,
    logic,
    memory,
    modules,
    outside,
    processors,
    requirements,
    rewards,
    scripts,
    shadows,
    sources,
    templates,
    versions,
)
from sftdoctor.predicates.core import (
    PREDICATES,
    Argument,
    Context,
    Judgement,
    Library,
    Links,
    Match,
    Outcome,
    Predicate,
    Registered,
    Signature,
    evaluate,
)
from sftdoctor.predicates.installation import core
from sftdoctor.predicates.versions import gate

__all__ = [
    "PREDICATES",
    "Argument",
    "Context",
    "Judgement",
    "Library",
    "Links",
    "Match",
    "Outcome",
    "Predicate",
    "Registered",
    "Signature",
    "core",
    "evaluate",
    "gate",
]

_REGISTERED = (
    *(binaries, callbacks, code, compare, facts, gradients, hardware, installation, links, live),
    *(logic, memory, modules, outside, processors, requirements, rewards, scripts, shadows, sources),
    *(templates, versions),
)
"""Imported so that each registers its predicates."""
