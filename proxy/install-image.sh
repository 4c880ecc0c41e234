#!/bin/sh
# Installs the proxy and the shim into an image's root:  install-image.sh SRC DEST
#
#   DEST/opt/ostiary/venv   start: /opt/ostiary/venv/bin/python3 -m ostiary_proxy
#   DEST/opt/ostiary/shim   the static shim; an init container copies it to where a server has it
#
# The Dockerfile beside this file and the images of the end-to-end tests are made by this script.
# Environment: PYTHON, IMAGE_PYTHON (see install-python.sh); SHIM, a shim that is already built, else
# Go builds it; GO (go).
set -eu

if [ $# -ne 2 ]; then
	echo "usage: install-image.sh SRC DEST" >&2
	exit 2
fi
src=$1
mkdir -p "$2/opt/ostiary"
dest=$(cd "$2" && pwd)
umask 022

if [ -n "${SHIM:-}" ]; then
	cp "$SHIM" "$dest/opt/ostiary/shim"
else
	(cd "$src/proxy/shim" && CGO_ENABLED=0 GOOS=linux "${GO:-go}" build -trimpath -buildvcs=false \
		-ldflags '-s -w' -o "$dest/opt/ostiary/shim" .)
fi
chmod 0755 "$dest/opt/ostiary/shim"

sh "$src/proxy/install-python.sh" "$src" "$dest" proxy.txt proxy/ostiary_proxy
