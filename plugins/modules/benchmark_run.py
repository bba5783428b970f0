#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Run a benchmark and read what it prints."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_run
short_description: Run a benchmark and read what it prints
version_added: 0.1.0
description:
  - Runs a command for at most O(timeout) seconds, leaves no process of it behind, and reads every table that it
    printed, in the layouts of nccl-tests (every release, text or JSON), the OSU micro-benchmarks, perftest, GPCNeT,
    HPL and gpu_burn, also with the labels that launchers put before lines.
  - A value that was not measured is V(null), never 0.
  - The module judges nothing and does not fail when the benchmark does. That is what
    M(gpuforge.node.benchmark_report) is for.
author:
  - the gpuforge authors (@gpuforge)
options:
  argv:
    description: The command and its arguments. The word V({script}) becomes the path of a file with O(script) in it.
    type: list
    elements: str
    required: true
  script:
    description: A program that is not on the node; it is written into a temporary file and removed afterwards.
    type: str
  environment:
    description: Variables of the command, beside those that the connection has. Values are not returned.
    type: dict
    default: {}
  timeout:
    description: Seconds after which the command and all it started is ended.
    type: float
    default: 1800
attributes:
  check_mode:
    description: Returns RV(command) and runs nothing.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  platform:
    description: Operating systems that the module works on.
    support: full
    platforms: linux
seealso:
  - module: gpuforge.node.benchmark_plan
  - module: gpuforge.node.benchmark_report
"""

EXAMPLES = r"""
- name: Measure all GPUs of one node
  gpuforge.node.benchmark_run:
    argv: [/opt/nccl-tests/build/all_reduce_perf, -b, 8M, -e, 8G, -f, "2", -g, "8", -c, "1"]
  register: benchmark

- name: Show the bus bandwidth at the largest size
  ansible.builtin.debug:
    var: benchmark.runs[-1].rows[-1].in_place.busbw_gbs
"""

RETURN = r"""
command:
  description: The command as a shell would take it.
  returned: always
  type: str
  sample: mpirun --np 16 --map-by ppr:8:node --host 10.0.0.11:8,10.0.0.12:8 /opt/nccl-tests/build/all_reduce_perf -b 8
ran:
  description: Whether it was run, which it is not in check mode.
  returned: success
  type: bool
  sample: true
exit_code:
  description: Its exit code; negative for a signal, V(null) when it was ended because its time was over.
  returned: success
  type: int
  sample: 0
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 131.4
runs:
  description:
    - Every table that was found, in order, each with C(layout), C(rows), C(complete) and C(problems).
    - Rows of nccl-tests have C(size) in bytes and, in C(out_of_place) and C(in_place), C(time_us), C(algbw_gbs),
      C(busbw_gbs) and C(wrong), the number of wrong elements.
    - Rows of OSU have C(size), a value for each of C(columns), and C(validation).
  returned: success
  type: list
  elements: dict
  sample:
    - layout: nccl-tests
      test: all_reduce
      complete: true
      rows:
        - size: 8589934592
          out_of_place: {time_us: 32981.1, algbw_gbs: 260.45, busbw_gbs: 488.35, wrong: 0}
          in_place: {time_us: 32990.0, algbw_gbs: 260.38, busbw_gbs: 488.21, wrong: 0}
failures:
  description: Lines in which the benchmark or its launcher says that it failed.
  returned: success
  type: list
  elements: str
  sample: []
transports:
  description: What NCCL said it talks over; empty unless C(NCCL_DEBUG=INFO) is in O(environment).
  returned: success
  type: list
  elements: str
  sample: [IB]
problems:
  description: What is wrong with the output as a whole, each with C(id), C(subject) and C(message).
  returned: success
  type: list
  elements: dict
  sample: []
output_tail:
  description: The last 40 lines of the output when the command failed or no table was found; otherwise empty.
  returned: success
  type: list
  elements: str
  sample: []
"""

import os
import shlex
import tempfile

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._bench_parse import parse
from ansible_collections.gpuforge.node.plugins.module_utils._bench_run import run

TAIL_LINES = 40
ARGUMENT_SPEC = {
    "argv": {"type": "list", "elements": "str", "required": True},
    "script": {"type": "str"},
    "environment": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 1800},
}
NOTHING = {"exit_code": None, "seconds": 0.0, "runs": [], "failures": [], "transports": [], "problems": []}


def main() -> None:
    """Run, read and tell."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    argv, script = module.params["argv"], module.params["script"]
    environment = {str(key): str(value) for key, value in module.params["environment"].items()}
    if not argv:
        module.fail_json(msg="argv is empty: give the command and its arguments")
    if module.params["timeout"] <= 0:
        module.fail_json(msg=f"timeout={module.params['timeout']:g}: give seconds above 0")
    command = " ".join(shlex.quote(word) for word in argv)
    if module.check_mode:
        module.exit_json(changed=False, command=command, ran=False, output_tail=[], **NOTHING)
    path = ""
    try:
        if script is not None:
            handle, path = tempfile.mkstemp(suffix=".py", dir=module.tmpdir)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(script)
        ended = run([path if word == "{script}" else word for word in argv], environment, module.params["timeout"])
    except OSError as exc:
        module.fail_json(msg=f"Failed to run {argv[0]}: {exc.strerror or exc}", command=command)
    finally:
        if path:
            os.unlink(path)
    parsed = parse(ended.output)
    good = ended.exit_code == 0 and parsed["runs"]
    module.exit_json(
        changed=False,
        command=command,
        ran=True,
        exit_code=ended.exit_code,
        seconds=round(ended.seconds, 2),
        output_tail=[] if good else ended.output.splitlines()[-TAIL_LINES:],
        **parsed,
    )


if __name__ == "__main__":
    main()
