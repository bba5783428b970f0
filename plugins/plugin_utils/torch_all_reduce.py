# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Measure all_reduce with PyTorch, started by torchrun on every node: NCCL where there are GPUs, Gloo where not.

    torchrun … torch_all_reduce.py [BYTES OF THE LARGEST MESSAGE]

Rank 0 prints a table in the layout of nccl-tests, so that it is read the same way. Bus bandwidth is that of nccl-tests'
PERFORMANCE.md: bytes / seconds * 2 (n - 1) / n. All sums are checked.
"""

from __future__ import annotations

import os
import socket
import sys
import time

WARM_UP, ROUNDS = 3, 10
SMALLEST = 1024  # bytes
GLOO_LARGEST = 64 << 20  # bytes; CPUs add slowly, and a larger message says nothing more about their network


def main() -> int:
    """Measure and print; 1 when a sum is wrong."""
    import torch
    import torch.distributed as dist

    gpus = torch.cuda.is_available()
    dist.init_process_group("nccl" if gpus else "gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device(f"cuda:{local}" if gpus else "cpu")
    if gpus:
        torch.cuda.set_device(device)
    name = torch.cuda.get_device_name(device) if gpus else "CPU"
    told = [None] * ranks
    dist.all_gather_object(told, (socket.gethostname(), os.getpid(), local, name))
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else GLOO_LARGEST
    if not gpus:
        largest = min(largest, GLOO_LARGEST)
    if rank == 0:
        print("# Collective test starting: all_reduce")
        print(f"# torch {torch.__version__} backend {dist.get_backend()} validation: 1")
        print("# Using devices")
        for number, (host, pid, index, what) in enumerate(told):
            print(f"#  Rank {number:2d} Group  0 Pid {pid:6d} on {host:>10s} device {index:2d} [0x00] {what}")
        half = "    time   algbw   busbw  #wrong"
        print(f"#       size         count      type   redop    root {half} {half}", flush=True)
    errors, speeds = 0, []
    size = SMALLEST
    while size <= largest:
        count = size // 4
        tensor = torch.ones(count, dtype=torch.float32, device=device)
        dist.all_reduce(tensor)
        wrong = int((tensor != ranks).sum().item())
        for _ in range(WARM_UP):
            dist.all_reduce(tensor.fill_(1))
        wait(torch, gpus)
        dist.barrier()
        start = time.perf_counter()
        for _ in range(ROUNDS):
            dist.all_reduce(tensor)
        wait(torch, gpus)
        seconds = (time.perf_counter() - start) / ROUNDS
        numbers = torch.tensor([seconds, float(wrong)], device=device)
        dist.all_reduce(numbers, op=dist.ReduceOp.MAX)
        seconds, wrong = numbers.tolist()
        errors += int(wrong)
        speed = size / seconds / 1e9
        speeds.append(speed * 2 * (ranks - 1) / ranks)
        if rank == 0:
            # PyTorch reduces in place only.
            row = f"{size:12d}  {count:12d}     float     sum      -1    N/A    N/A    N/A    N/A"
            print(f"{row} {seconds * 1e6:10.2f} {speed:8.3f} {speeds[-1]:8.3f} {int(wrong):7d}", flush=True)
        size *= 2
    if rank == 0:
        print(f"# Out of bounds values : {errors} {'FAILED' if errors else 'OK'}")
        print(f"# Avg bus bandwidth    : {sum(speeds) / len(speeds):g}", flush=True)
    dist.destroy_process_group()
    return 1 if errors else 0


def wait(torch, gpus) -> None:
    """Wait until the GPU has done what it was given."""
    if gpus:
        torch.cuda.synchronize()


if __name__ == "__main__":
    sys.exit(main())
