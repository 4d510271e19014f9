"""``python -m benchmarks gpu``: how long kernels, and what the rule selects, take on the GPU of this machine.

Checks, times and reports in under ten minutes, beside copies and other libraries; docs/gpu_timed.md says how.
Writes ``benchmarks/results/gpu.json`` and, from it alone, ``docs/gpu_timed.md``. A run of a part, and a quick one,
write a JSON of their own and no page.
"""
