#!/usr/bin/python3
"""A small MPI benchmark on CPUs for the tests, in the layout of the OSU micro-benchmarks; Debian packages none of them.

It stands where OSU's programs would and does what its name says: ``osu_bw`` sends windows of messages between two
ranks, ``osu_allreduce`` sums over all of them. Numbers are real, the method is simpler than OSU's.

    osu_bw [-m SMALLEST:LARGEST] [--hang SECONDS] [--wrong]
"""

from __future__ import annotations

import argparse
import sys
import time
from array import array
from pathlib import Path

from mpi4py import MPI

WINDOW, ROUNDS = 16, 10


def bandwidth(world: MPI.Comm, size: int) -> float:
    """MB/s from rank 0 to rank 1."""
    buffers = [bytearray(size) for _ in range(WINDOW)]
    acknowledged = bytearray(1)
    world.Barrier()
    start = MPI.Wtime()
    for _ in range(ROUNDS):
        if world.rank == 0:
            MPI.Request.Waitall([world.Isend(buffer, 1) for buffer in buffers])
            world.Recv(acknowledged, 1)
        else:
            MPI.Request.Waitall([world.Irecv(buffer, 0) for buffer in buffers])
            world.Send(acknowledged, 0)
    return size * WINDOW * ROUNDS / (MPI.Wtime() - start) / 1e6


def allreduce(world: MPI.Comm, size: int) -> tuple[float, bool]:
    """Microseconds of a sum of `size` bytes on the average of all ranks, and whether it was right on all."""
    ours, theirs = array("f", [1.0] * (size // 4)), array("f", [0.0] * (size // 4))
    world.Barrier()
    start = MPI.Wtime()
    for _ in range(ROUNDS):
        world.Allreduce([ours, MPI.FLOAT], [theirs, MPI.FLOAT])
    took = (MPI.Wtime() - start) / ROUNDS
    right = world.allreduce(int(set(theirs) == {float(world.size)}))
    return world.allreduce(took) / world.size * 1e6, right == world.size


def main() -> int:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", dest="sizes", default="1:1048576")
    parser.add_argument("--hang", type=float, default=0)
    parser.add_argument("--wrong", action="store_true", help="say that the data was wrong")
    options = parser.parse_args()
    world = MPI.COMM_WORLD
    pair = Path(sys.argv[0]).name == "osu_bw"
    if pair and world.size != 2:
        sys.exit("osu_bw needs two processes")
    time.sleep(options.hang)
    smallest, largest = (int(word) for word in options.sizes.split(":"))
    if world.rank == 0:
        print(f"# MPI {'Bandwidth' if pair else 'Allreduce Latency'} Test v0.1")
        heading = "Bandwidth (MB/s)" if pair else "Avg Latency(us)"
        print(f"# Size  {heading:>20}        Validation", flush=True)
    size = max(smallest, 1 if pair else 4)
    while size <= largest:
        value, right = (bandwidth(world, size), True) if pair else allreduce(world, size)
        if world.rank == 0:
            print(f"{size:<8}{value:>20.2f}{'Pass' if right and not options.wrong else 'Fail':>18}", flush=True)
        size *= 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
