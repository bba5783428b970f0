#!/bin/sh
# Written by gpuforge. After DKMS and the initramfs, before update-grub: the newest kernel that has its driver is the
# default.
exec /usr/local/sbin/gpuforge-kernel-guard --apply --quiet --grub-follows
