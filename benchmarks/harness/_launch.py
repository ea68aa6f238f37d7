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
# Linux counts in KiB; a MB is 10^6 bytes.
peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
with open(report, "w", encoding="utf-8") as stream:  # noqa: PTH123 - pathlib would cost memory
    json.dump({"seconds": seconds, "peak_mb": peak_mb, "exit_code": code}, stream)
