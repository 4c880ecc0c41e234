#!/bin/sh
# Puts a Python half of Ostiary into an image's root:  install-python.sh SRC DEST LOCK PACKAGE...
#
# The result is a virtual environment at DEST/opt/ostiary/venv that is valid at /opt/ostiary/venv of
# the image, wherever DEST lies now: nothing in it names DEST.  A venv is three things, written here
# by hand: pyvenv.cfg, bin/python3 (a link to the image's /usr/bin/python3) and site-packages.
# Scripts with a first line are left out; programs start as `bin/python3 -m NAME`.
#
# LOCK comes from requirements/ (hashes are required, nothing is compiled); PACKAGEs are folders of
# SRC, copied: our own code needs no build step.
#
# Environment:
#   PYTHON        the interpreter that installs, with uv or pip    (python3)
#   IMAGE_PYTHON  the version of the image's /usr/bin/python3      (that of PYTHON)
set -eu

src=$1 dest=$2 lock=$3
shift 3
python=${PYTHON:-python3}
ours=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
version=${IMAGE_PYTHON:-$ours}

venv=$dest/opt/ostiary/venv
packages=$venv/lib/python$version/site-packages

case $version in
3.1[1-9]) ;;
*) echo "install-python.sh: Ostiary needs Python 3.11 or newer in the image, not $version" >&2; exit 1 ;;
esac
if [ -e "$venv" ]; then
	echo "install-python.sh: $venv is there already: install into an empty root" >&2
	exit 1
fi
# The image's files are for its own users to read, whatever mask ours has.
umask 022

mkdir -p "$packages" "$venv/bin"
if "$python" -c 'import uv' 2>/dev/null; then
	"$python" -m uv pip install --quiet --no-deps --require-hashes --only-binary :all: \
		--requirement "$src/requirements/$lock" --target "$packages" --link-mode copy \
		--python-version "$version" --python-platform "$(uname -m)-manylinux_2_28"
elif [ "$version" = "$ours" ]; then
	"$python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps \
		--require-hashes --only-binary :all: \
		--requirement "$src/requirements/$lock" --target "$packages"
else
	echo "install-python.sh: $python is $ours and the image's Python $version: install uv (requirements/uv.txt)," \
		"which chooses wheels for another version, or name another PYTHON" >&2
	exit 1
fi
for package; do
	cp -R "$src/$package" "$packages/"
done

# What importlib.metadata and scanners of images read.
release=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$src/pyproject.toml")
about=$packages/ostiary-$release.dist-info
mkdir "$about"
printf 'Metadata-Version: 2.1\nName: ostiary\nVersion: %s\nLicense: Apache-2.0\n' "$release" >"$about/METADATA"
cp "$src/LICENSE" "$about/"

# Nothing that only a developer or an installer reads.
rm -rf "$packages/bin" "$packages/.lock"
find "$packages" -depth \( -name __pycache__ -o -name tests -o -name test -o -name '*.pyi' \
	-o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name RECORD \
	-o -name INSTALLER -o -name REQUESTED -o -name direct_url.json -o -name uv_cache.json \) \
	-exec rm -rf {} +

ln -s /usr/bin/python3 "$venv/bin/python3"
ln -s python3 "$venv/bin/python"
cat >"$venv/pyvenv.cfg" <<EOF
home = /usr/bin
include-system-site-packages = false
version = $version
EOF

# Bytecode is part of the image: its root is read-only, and compiling at each start costs seconds.
# It is never compared with the source again, which cannot change.
if [ "$version" = "$ours" ]; then
	"$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash \
		-s "$packages" -p "/opt/ostiary/venv/lib/python$version/site-packages" "$packages"
else
	echo "install-python.sh: no bytecode, as $python is $ours and the image's Python $version: slow starts" >&2
fi
