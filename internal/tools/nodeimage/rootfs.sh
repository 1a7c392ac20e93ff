#!/bin/sh
# Makes the root file system of a node from Debian packages, as the Dockerfile of kind's
# base image does. It leaves in FOLDER: rootfs.tar, nft.tar (that program and its
# libraries, for the image of kube-proxy) and busybox.
# usage: rootfs.sh FOLDER [MIRROR]
set -eu
folder=$1 mirror=${2-}

# What a node runs or kind calls there. containerd is not among them: Debian's is too old.
packages=systemd,iptables,nftables,conntrack,socat,ethtool,iproute2,mount,kmod,jq,procps
packages=$packages,pigz,e2fsprogs,ca-certificates,runc,containernetworking-plugins,busybox-static

# Not a newer release: its systemd refuses control groups of version 1.
debootstrap --variant=minbase --include="$packages" bookworm "$folder/rootfs" $mirror \
	>"$folder/log" 2>&1 || { tail -n 20 "$folder/log" >&2; exit 1; }

cd "$folder/rootfs"
find lib/systemd/system/sysinit.target.wants -name systemd-tmpfiles-setup.service -delete
rm -f lib/systemd/system/multi-user.target.wants/* etc/systemd/system/*.wants/* \
	lib/systemd/system/local-fs.target.wants/* lib/systemd/system/basic.target.wants/* \
	lib/systemd/system/sockets.target.wants/*udev* lib/systemd/system/sockets.target.wants/*initctl*
echo ReadKMsg=no >>etc/systemd/journald.conf
ln -sf /usr/lib/systemd/systemd sbin/init

# What debootstrap copied from this machine, and what a node has no use for.
rm -rf etc/hostname etc/resolv.conf var/cache/apt var/lib/apt/lists var/log/* \
	usr/share/doc usr/share/man usr/share/info usr/share/locale usr/lib/udev/hwdb.d

cp bin/busybox ..
libraries=$(chroot . ldd /usr/sbin/nft | grep -o '/[^ ]*' | sed 's,^/,,')
# shellcheck disable=SC2086 # one argument for each
tar -cf ../nft.tar --dereference usr/sbin/nft $libraries
tar -cf ../rootfs.tar --numeric-owner .
cd ..
rm -rf rootfs log
