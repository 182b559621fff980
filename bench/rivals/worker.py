"""One side of a comparison: a rival's work, in a process of its own. Started by `run` with the rivals' Python.

    worker.py ROW RIVAL THREADS SETTING FILE...     the work of one setting, once for each line "go"
    worker.py ROW RIVAL THREADS - FILE...           seconds of every setting, as JSON
"""
import json
import sys
import time

import table


def timed(work):
    wall, used = time.perf_counter(), time.process_time()
    result = work()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - used}, result


# The first call compiles and warms up. Long work is not done twice, unless it was compiled.
def probe(settings, clock):
    seconds = {}
    for name, work in settings.items():
        try:
            got = timed(work)[0][clock]
            if got < 5 or "compile" in name:
                got = min(timed(work)[0][clock] for _ in range(3 if got < 5 else 1))
            seconds[name] = got
        except Exception as e:  # a setting that this version of the rival cannot run is no setting
            print(f"{name}: {str(e).splitlines()[0]}", file=sys.stderr)
    print(json.dumps(seconds), flush=True)


def main():
    name, rival, threads, setting, *files = sys.argv[1:]
    row = table.rows()[name]
    if rival == "torch":
        import torch
        torch.set_num_threads(int(threads))
    if rival == "faiss":
        import faiss
        faiss.omp_set_num_threads(int(threads))
    settings = row.sides(rival, table.Mnist(*files))
    if setting == "-":
        return probe(settings, "cpu" if threads == "1" else "wall")
    print("ready", flush=True)
    for _ in sys.stdin:
        got, value = timed(settings[setting])
        value = value() if callable(value) else None
        if value is not None:
            got["value"] = value
        print(json.dumps(got), flush=True)


main()
