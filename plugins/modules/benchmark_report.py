# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Documentation of an action; what runs is plugins/action/benchmark_report.py on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_report
short_description: Judge a benchmark and keep its result
version_added: 0.1.0
description:
  - Judges what M(gpuforge.node.benchmark_run) measured, and writes the result as JSON and a plot as SVG into a folder
    on the controller.
  - The verdict is V(pass), V(fail) or V(unknown). Wrong data, a failed command, a number of ranks that differs from the
    plan, and less than the threshold of the machine type fail. Without a threshold, with cut output or with numbers
    that cannot be read the verdict is V(unknown), which never counts as passed; the check says what to do.
  - Runs on the controller; use it once a play, with C(run_once).
attributes:
  check_mode:
    description: Nothing is written. In check mode nothing was measured either, so the verdict is V(unknown).
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: none
  platform:
    description: Operating systems that the action works on.
    support: full
    platforms: posix
options:
  plan:
    description: The result of M(gpuforge.node.benchmark_plan).
    type: dict
    required: true
  result:
    description: The result of M(gpuforge.node.benchmark_run) on the first node of the plan.
    type: dict
    required: true
  results_dir:
    description: Folder on the controller, relative to the current one. Made where it is missing.
    type: path
    default: benchmark-results
  previous:
    description:
      - Result file of an earlier run to compare with, or V(latest) for the newest in O(results_dir) of the same test on
        as many nodes and ranks (none there is no error).
      - When not given, nothing is compared.
    type: str
  regression_percent:
    description: How much worse than O(previous) a run may be on average, in percent.
    type: float
    default: 10.0
  thresholds:
    description:
      - Entries that come before those of the collection. The first that fits counts.
      - Each has C(node_type) (glob or list of globs), C(test), C(nodes) (none means any number), C(least) or C(most),
        and may have C(unit) (V(GB/s) by default; V(MB/s) and V(us) for OSU), C(from_bytes) (1 GiB for V(GB/s), else
        1 MiB), C(kind) (V(gate) by default, V(measured) asks for 85 % of it), C(source) and C(certainty).
    type: list
    elements: dict
    default: []
notes:
  - Variables of the environment are in the result by name only.
seealso:
  - module: gpuforge.node.benchmark_run
author:
  - the gpuforge authors (@gpuforge)
"""

EXAMPLES = r"""
- name: Judge and keep the result
  gpuforge.node.benchmark_report:
    plan: "{{ plan }}"
    result: "{{ benchmark }}"
    previous: latest
    thresholds:
      - {node_type: "*", test: osu_bw, least: 1100, unit: MB/s, from_bytes: 1048576, source: our nodes in May}
  run_once: true
  register: report
"""

RETURN = r"""
verdict:
  description: V(pass), V(fail) or V(unknown).
  returned: success
  type: str
  sample: pass
ok:
  description: Whether the verdict is V(pass).
  returned: success
  type: bool
  sample: true
checks:
  description: Each question with C(id), C(status) (pass, fail, unknown, skipped), C(observed), C(expected), C(remedy).
  returned: success
  type: list
  elements: dict
  sample:
    - id: speed
      status: pass
      observed: 452.1 GB/s (mean of 4 sizes from 1073741824 bytes on)
      expected: at least 440 GB/s (oracle-quickstart/oci-hpc …, certain)
      remedy: ""
result_file:
  description: Path of the JSON file; empty in check mode.
  returned: success
  type: str
  sample: /srv/site/benchmark-results/20260701T101500Z-all_reduce-2x8.json
plot_file:
  description: Path of the SVG file; empty in check mode, or where nothing over message sizes was measured.
  returned: success
  type: str
  sample: /srv/site/benchmark-results/20260701T101500Z-all_reduce-2x8.svg
compared_with:
  description: Path of the earlier result that was compared with; empty without one.
  returned: success
  type: str
  sample: ""
"""
