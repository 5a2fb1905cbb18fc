#!/bin/sh
# Compile CPython into ROOT/opt/python/X.Y, without what no image keeps, and leave its build folder behind.
#
#   compile_python.sh SOURCE.tar FOLDER [ROOT]
#
# The environment has PYTHON (3.13), PYTHON_CONFIGURE (further options of configure) and SOURCE_DATE_EPOCH. The stage
# "python" of the Dockerfile calls it, and optimise_python.sh.
set -eu
source=$1 folder=$2 root=${3:-}
prefix=/opt/python/${PYTHON}

# OPT is upstream's own without -g: sysconfig passes it to every extension module that is built later, and debug
# information would only be stripped again. The static library and the test modules are not built.
# COMPILEALL_OPTS=--help makes `make install` skip byte code for three optimisation levels; a later step writes one.
mkdir -p "$folder"
tar --extract --file "$source" --directory "$folder" --strip-components 1 --no-same-owner
cd "$folder"
# shellcheck disable=SC2086  # several options
./configure --quiet --prefix="$prefix" --without-ensurepip --without-static-libpython \
    --disable-test-modules OPT='-DNDEBUG -fwrapv -O3 -Wall' ${PYTHON_CONFIGURE}
make --silent -j"${JOBS:-$(nproc)}"
make --silent install DESTDIR="$root" ENSUREPIP=no COMPILEALL_OPTS=--help > /dev/null

# Byte code without a check of its source (PEP 552): the prefix is written once, belongs to root, and starts fastest so.
# One process writes all of it, in one order and with one hash seed, because byte code depends on what the process compiled
# before (github.com/python/cpython/issues/129724). -B and -f: otherwise the modules that compileall imports get
# byte code with a time.
# `|| true` is only for strip, which fails on the few non-ELF files that find returns.
cd "$root$prefix"
rm -rf share bin/idle* bin/pydoc* bin/2to3* \
    lib/python*/ensurepip lib/python*/idlelib lib/python*/lib2to3 lib/python*/turtledemo lib/python*/turtle.py \
    lib/python*/tkinter
find lib -depth -type d \( -name test -o -name tests -o -name __pycache__ \) -exec rm -rf {} +
find . -type f \( -name '*.a' -o -name '*.o' \) -delete
find bin lib -type f \( -perm -u+x -o -name '*.so*' \) -exec strip --strip-unneeded {} + 2>/dev/null || true
ln -sf python3 bin/python
PYTHONHASHSEED=0 bin/python -B -m compileall -q -f --invalidation-mode unchecked-hash lib
find . -depth -newermt "@${SOURCE_DATE_EPOCH}" -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH}" {} +

# configure skips a module and succeeds if a header is missing, so required modules are checked by name.
bin/python -c \
    'import bz2, ctypes, curses, hashlib, lzma, readline, sqlite3, ssl, sys, uuid, zlib, zoneinfo; \
    sys.exit(f"{sys.version} is not {sys.argv[1]}" if "%d.%d" % sys.version_info[:2] + sys.abiflags != sys.argv[1] else 0)' \
    "${PYTHON}"
