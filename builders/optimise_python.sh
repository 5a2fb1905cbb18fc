#!/bin/sh
# Compile a CPython again with profile-guided and link-time optimisation, test it, and leave it in /scratch/python.tar.
#
# It runs in a container of the image that has the same CPython compiled quickly, as an ordinary user without a network.
# Standard input is a tar with python.tar (the same source), compile_python.sh and compare_pythons.py. The environment is
# that of compile_python.sh, and JOBS, the number of processes.
set -eu
cd /scratch
mkdir -p given tmp work
tar --extract --directory given
quick=/opt/python/${PYTHON}/bin/python
optimised=/scratch/root/opt/python/${PYTHON}/bin/python
export TMPDIR=/scratch/tmp HOME=/scratch/tmp

# The options are upstream's (Doc/using/configure.rst). Their flags are in CFLAGS_NODIST and LDFLAGS_NODIST, which no
# extension module gets. The profile is of upstream's own selection of tests (`-m test --pgo`).
PYTHON_CONFIGURE="${PYTHON_CONFIGURE} --enable-optimizations --with-lto" \
    sh given/compile_python.sh /scratch/given/python.tar /scratch/source /scratch/root

echo 'optimised: comparing what extension modules get'
"$quick" given/compare_pythons.py "/opt/python/${PYTHON}" "/scratch/root/opt/python/${PYTHON}" /scratch/source

# CPython's own tests, of the language, the compiler, the objects and the modules in C. A test counts only if the quick Python
# passes it in the same container: some need what no container has.
echo 'optimised: running its tests'
mkdir tests && mv source/Lib/test tests/test && rm -rf source
cat > one_test.sh <<'END'
run() { cd /scratch/work && PYTHONPATH=/scratch/tests timeout 900 "$1" -m test --timeout 600 "$2"; }
run "$1" "$3" > "/scratch/tmp/$3.log" 2>&1 && exit 0
if run "$2" "$3" > /dev/null 2>&1; then tail -n 15 "/scratch/tmp/$3.log"; echo "optimised: $3 fails"; exit 255; fi
echo "optimised: $3 fails with both, and is left out"
echo "$3" >> /scratch/left_out
END
chosen=
for name in \
    array asdl_parser ast asyncgen atexit audit augassign base64 binascii bool buffer builtin bytes bz2 call cmath class \
    codecs codeop collections compare complex concurrent_futures contextlib contextvars copy coroutines crypt csv ctypes \
    dataclasses datetime decimal deque dict difflib dis docxmlrpc dynamic enum enumerate exceptions except_star \
    faulthandler float fractions frozen fstring functools future gc generators genericalias getopt glob grammar hash hashlib \
    heapq hmac import importlib inspect int io isinstance iter itertools json keyword list listcomps long lzma marshal math \
    memoryio memoryview mmap monitoring named_expressions operator opcache optparse ordered_dict patma peepholer pickle \
    pickletools positional_only_arg property pyexpat queue random range re reprlib sax scope select set shelve shlex signal \
    slice sort sqlite3 ssl stat statistics str strtod struct structseq subclassinit subprocess super symtable sys \
    sys_settrace sysconfig tarfile tempfile textwrap thread threading time tokenize traceback tuple type_params types \
    typing unicode unicodedata unpack unpack_ex userdict uuid weakref with xml_etree xml_etree_c yield_from zipfile zipimport \
    zlib zoneinfo
do
    if [ -e "tests/test/test_$name.py" ] || [ -d "tests/test/test_$name" ]; then chosen="$chosen test_$name"; fi
done
: > left_out
# xargs ends at once if a command exits with 255.
printf '%s\n' $chosen | xargs -n 1 -P "${JOBS}" sh one_test.sh "$optimised" "$quick"
run=$(printf '%s\n' $chosen | wc -l) without=$(wc -l < left_out)
echo "optimised: $((run - without)) of $run tests pass with both"
if [ "$((run - without))" -lt 100 ]; then echo 'optimised: too few tests could run'; exit 1; fi

tar --create --file python.tar --directory root --owner=0 --group=0 --numeric-owner --sort=name "opt/python/${PYTHON}"
