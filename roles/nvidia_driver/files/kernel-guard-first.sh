#!/bin/sh
# Written by gpuforge. Before DKMS builds for a new kernel: until it has its driver, the kernel before it is the default.
# If a build fails, the scripts after this one do not run, and that is how it stays.
exec /usr/local/sbin/gpuforge-kernel-guard --apply --quiet --grub-follows
