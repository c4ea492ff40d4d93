#!/bin/sh
# Builds the io addon with the C compiler alone, about a second; does nothing if sources, compiler and flags are unchanged.
#   sh build.sh                       for this machine           -> build/<libc>-<arch>/io.node
#   sh build.sh --sanitize            with ASan and UBSan         -> build/<libc>-<arch>-sanitize/io.node
#   sh build.sh --target x86_64-gnu | x86_64-musl | aarch64-gnu | aarch64-musl
# CC, if set, is the compiler (also with arguments: CC='zig cc -target aarch64-linux-musl'). The node-api and OpenSSL symbols are those of the node binary that loads it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sanitize= target=
while [ $# -gt 0 ]; do
  case $1 in
    --sanitize) sanitize=1 ;;
    --target) shift; target=${1:?--target needs a name} ;;
    *) echo "build.sh: unknown option $1" >&2; exit 64 ;;
  esac
  shift
done

machine=$(uname -m)
[ "$machine" = arm64 ] && machine=aarch64
libc=gnu
for loader in /lib/ld-musl-*.so.1; do [ -e "$loader" ] && [ ! -e /lib64/ld-linux-x86-64.so.2 ] && [ ! -e /lib/ld-linux-aarch64.so.1 ] && libc=musl; done
native=$machine-$libc
target=${target:-$native}
case $target in
  "$native") compiler=cc ;;
  x86_64-gnu) compiler=x86_64-linux-gnu-gcc ;;
  aarch64-gnu) compiler=aarch64-linux-gnu-gcc ;;
  x86_64-musl) compiler=musl-gcc ;;
  aarch64-musl) compiler=aarch64-linux-musl-gcc ;;
  *) echo "build.sh: unknown target $target" >&2; exit 64 ;;
esac
compiler=${CC:-$compiler}
command -v "${compiler%% *}" >/dev/null || { echo "build.sh: no compiler $compiler for $target" >&2; exit 69; }

headers=
dir=$here
while [ -z "$headers" ] && [ "$dir" != / ]; do
  [ -d "$dir/node_modules/node-api-headers/include" ] && headers=$dir/node_modules/node-api-headers/include
  dir=$(dirname "$dir")
done
[ -n "$headers" ] || { echo "build.sh: npm package node-api-headers is not installed" >&2; exit 69; }

flags="-std=gnu11 -O2 -g1 -fPIC -shared -fvisibility=hidden -pthread -Wall -Wextra -Werror -Wshadow -Wvla -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wl,-z,relro,-z,now"
out=$here/build/${target#*-}-${target%%-*}
if [ -n "$sanitize" ]; then
  out=$out-sanitize
  flags="-std=gnu11 -O1 -g -fPIC -shared -fvisibility=hidden -pthread -Wall -Wextra -Werror -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
fi

# shellcheck disable=SC2086 # compiler and flags are word lists
key=$( (cat "$here"/*.c "$here"/*.h "$headers"/*.h "$here/build.sh"; $compiler --version; echo "$compiler $flags") | sha256sum | cut -d' ' -f1)
[ -f "$out/io.node" ] && [ "$(cat "$out/key" 2>/dev/null)" = "$key" ] && exit 0
mkdir -p "$out"
rm -f "$out/key"
# shellcheck disable=SC2086
$compiler $flags -I"$headers" -o "$out/io.node.$$" "$here"/*.c
mv "$out/io.node.$$" "$out/io.node"
echo "$key" >"$out/key"
echo "built $out/io.node"
