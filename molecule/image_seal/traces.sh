#!/bin/sh
# Leaves what must not be in an image. Run on the machine itself.
set -eu
umask 077

leave() {
  mkdir -p "$(dirname "$1")"
  printf '%s' "${2:-a trace}" > "$1"
}

useradd --create-home --shell /bin/bash builder
leave /home/builder/.ssh/authorized_keys
leave /home/builder/.ssh/id_ed25519
leave /home/builder/.bash_history
leave /home/builder/.cache/pip/x
leave /home/builder/.ansible/tmp/x
leave /root/.ssh/authorized_keys
leave /root/.python_history
leave /root/.netrc
leave /var/lib/cloud/instances/i-1/user-data.txt
leave /var/lib/dkms/mok.key
leave /var/lib/dkms/mok.pub
leave /var/lib/dhcp/dhclient.eth0.leases
leave /var/lib/systemd/credential.secret
leave /var/lib/example/node-id
leave /var/log/custom/deep/app.log
leave /var/log/syslog.1
leave /var/tmp/left
leave /etc/network/interfaces.d/50-cloud-init
leave /etc/ssh/sshd_config.dpkg-old
leave /swapfile
leave /etc/environment 'http_proxy=http://proxy.example:3128
LANG=C.UTF-8
'
leave /etc/apt/apt.conf.d/80proxy 'Acquire::http::Proxy "http://proxy.example:3128";
'
leave /etc/profile.d/proxy.sh 'if true; then
  export https_proxy=http://proxy.example:3128
fi
'
leave /etc/fstab 'tmpfs /mnt tmpfs noauto 0 0
/swapfile none swap sw 0 0
'
