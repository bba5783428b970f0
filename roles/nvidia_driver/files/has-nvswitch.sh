#!/bin/sh
# Written by gpuforge; changes made here are lost.
# Whether this machine has NVSwitches, for Fabric Manager's unit: exit 0 if so, 1 if not. An argument is a folder that
# stands for /. The switches of A100 boards (1ae8, 1af0 to 1aff) and of H100 and H200 boards (22a0 to 22a7) are bridges
# (class 0680) of NVIDIA's. Those of B200 and later are not on PCI Express: two ConnectX-7 there say SW_MNG in their VPD.
root=${1:-}
for device in "$root"/sys/bus/pci/devices/*; do
    [ -r "$device/class" ] || continue
    read -r class <"$device/class"
    read -r vendor <"$device/vendor"
    read -r id <"$device/device"
    case "$class $vendor $id" in
        "0x0680"*" 0x10de 0x1ae8" | "0x0680"*" 0x10de 0x1af"? | "0x0680"*" 0x10de 0x22a"[0-7]) exit 0 ;;
    esac
done
for vpd in "$root"/sys/class/infiniband/*/device/vpd; do
    if [ -r "$vpd" ] && grep -q SW_MNG "$vpd"; then
        exit 0
    fi
done
exit 1
