"""Started by `process.run_process`: runs one command and writes what it cost. Imports as little as it can."""

import json
import resource
import subprocess
import sys
import time

report, *command = sys.argv[1:]
begin = time.perf_counter()
code = subprocess.call(command)
seconds = time.perf_counter() - begin
used = resource.getrusage(resource.RUSAGE_CHILDREN)
# Linux counts memory in KiB; a MB is 10^6 bytes.
cost = {
    "seconds": seconds,
    "cpu_s": used.ru_utime + used.ru_stime,
    "peak_mb": used.ru_maxrss * 1024 / 1e6,
    "exit_code": code,
}
with open(report, "w", encoding="utf-8") as stream:  # noqa: PTH123 - pathlib would cost memory
    json.dump(cost, stream)
