#!/bin/sh
# Print the first Python that Wheelyard can run on: the one that was asked for, else what PATH has.
# Must stay POSIX shell: it runs before any Python is known to be there.
set -eu

readonly CHECK='import sys; print("%d.%d.%d" % sys.version_info[:3]); sys.exit(sys.version_info < (3, 11))'
found=""
for candidate in "${1:-python3}" python3.13 python3.14 python3.12 python3.11 python3; do
  path=$(command -v "$candidate" 2>/dev/null) || continue
  case ", $found" in *", $path is "*) continue ;; esac
  # A shim may be on PATH and still refuse to run.
  if version=$("$path" -c "$CHECK" 2>/dev/null); then
    echo "$path"
    exit 0
  fi
  found="${found:+$found, }$path is ${version:-not usable}"
done

echo "error: Wheelyard needs Python 3.11 or newer; found: ${found:-none}." >&2
echo "hint: install one (apt-get install python3 on Debian 12 or newer), or name one: make PYTHON=/path/to/python3" >&2
exit 1
