#!/bin/sh
# Runs this library's tests on the addon built with AddressSanitizer and UndefinedBehaviorSanitizer.
# Leak checking is off: node itself leaves memory to the end of the process. Give test files as arguments to run only those.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sh "$here/build.sh" --sanitize
runtime=$(${CC:-cc} -print-file-name=libasan.so)
[ $# -gt 0 ] || set -- "$here/../src/**/*.test.ts"
LD_PRELOAD=$runtime ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
  exec node --conditions=ambit-sanitize --test "$@"
