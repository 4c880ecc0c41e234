#!/bin/sh
# Installs the operator into an image's root:  install-image.sh SRC DEST
#
#   DEST/opt/ostiary/venv   start: /opt/ostiary/venv/bin/python3 -m ostiary_operator
#
# The Dockerfile beside this file and the images of the end-to-end tests are made by this script.
# Environment: PYTHON, IMAGE_PYTHON (see proxy/install-python.sh).
set -eu

if [ $# -ne 2 ]; then
	echo "usage: install-image.sh SRC DEST" >&2
	exit 2
fi
src=$1
mkdir -p "$2"
dest=$(cd "$2" && pwd)

# Of the proxy the operator imports the config model alone; the package comes whole, as it is small.
sh "$src/proxy/install-python.sh" "$src" "$dest" operator.txt operator/ostiary_operator proxy/ostiary_proxy
