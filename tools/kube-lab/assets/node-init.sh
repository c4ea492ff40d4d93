#!/bin/bash
# Process 1 of a node, in network, mount, pid, uts and ipc namespaces of its own: gives the node /proc, /sys, /run and
# state folders of its own, then starts containerd, the kubelet and kube-proxy. When this process dies, so does the
# node. node-machine.ts wrote the configuration and passes: NODE (name), DISK, LAB, BIN, NODE_IPS, KUBELET_ARGS, DUAL.
set -euo pipefail
hostname "$NODE"

# Nothing mounted from here on may show outside of the node.
mount --make-rprivate /
# The new /sys comes without cgroups, so they are kept aside.
mkdir -p "$DISK/cgroup" && mount --rbind /sys/fs/cgroup "$DISK/cgroup"
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount --rbind "$DISK/cgroup" /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf 2>/dev/null || true
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/lock
for folder in /etc/cni/net.d /opt/cni/bin /var/lib/cni /var/lib/kubelet /var/lib/containerd /var/log/pods /var/log/containers; do
  mkdir -p "$DISK$folder" "$folder"
  mount --bind "$DISK$folder" "$folder"
done
for plugin in bridge host-local loopback portmap; do
  [ -e "/opt/cni/bin/$plugin" ] || cp "/usr/lib/cni/$plugin" /opt/cni/bin/
done
# Pods whose mounts propagate to or from the node need shared ones.
mount --make-rshared /

sysctl -qw net.ipv4.ip_forward=1
sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1 2>/dev/null || true
[ -z "$DUAL" ] || sysctl -qw net.ipv6.conf.all.forwarding=1

containerd -c "$DISK/containerd.toml" >"$DISK/log/containerd.log" 2>&1 &
for _ in $(seq 300); do
  ctr version >/dev/null 2>&1 && break
  sleep 0.1
done
for image in "$LAB"/images/*.tar; do
  mark=$DISK/.$(basename "$image").imported # on the node's disk: a node that boots again has its images still
  if [ -r "$image" ] && ! [ "$mark" -nt "$image" ]; then
    ctr -n k8s.io images import - <"$image" >/dev/null && touch "$mark"
  fi
done
# A kubelet that finds no API server backs off for seconds.
until [ -e "$LAB/ready" ]; do sleep 0.1; done
# shellcheck disable=SC2086 # words
"$BIN/kube" kubelet --config "$DISK/kubelet.yaml" --kubeconfig "$LAB/$NODE.kubeconfig" --hostname-override "$NODE" \
  --node-ip "$NODE_IPS" --node-labels "ambit.dev/kube-lab-node=$NODE" $KUBELET_ARGS >"$DISK/log/kubelet.log" 2>&1 &
"$BIN/kube" kube-proxy --config "$DISK/kube-proxy.yaml" >"$DISK/log/kube-proxy.log" 2>&1 &
wait
