#!/bin/sh
# Builds the node's static programs with a C compiler alone; does nothing when sources, compiler and flags are unchanged.
#   sh build.sh [OUTDIR]        ambit-cni and ambit-netns -> OUTDIR (default build/)
#   sh build.sh --test [OUTDIR] the plugin's fuzz driver and the plugin, with ASan and UBSan -> OUTDIR (default build/test/)
# CC, if set, is the compiler (for instance CC='zig cc -target aarch64-linux-musl'); else musl-gcc if there is one, else cc.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sanitize=
[ "${1-}" = --test ] && { sanitize=1; shift; }
out=${1:-$here/build${sanitize:+/test}}
warnings="-std=gnu11 -Wall -Wextra -Werror -Wshadow -Wvla -Wformat=2"
if [ -n "$sanitize" ]; then
  compiler=${CC:-cc}
  flags="$warnings -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
else
  compiler=${CC:-$(command -v musl-gcc || echo cc)}
  # musl has no headers of the kernel; they are the same for every libc.
  kernel=
  case $compiler in *musl-gcc) kernel="-idirafter /usr/include -idirafter /usr/include/$(uname -m)-linux-gnu" ;; esac
  flags="$warnings -Os -static -s -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wl,-z,relro,-z,now -Wl,--gc-sections -ffunction-sections $kernel"
fi
command -v "${compiler%% *}" >/dev/null || { echo "build.sh: no compiler $compiler" >&2; exit 69; }
key=$( (cat "$here"/*.c "$here"/*.h "$here/build.sh"; $compiler --version; echo "$compiler $flags") | sha256sum | cut -d' ' -f1)
[ "$(cat "$out/key" 2>/dev/null)" = "$key" ] && exit 0
mkdir -p "$out"
rm -f "$out/key"
build() {
  name=$1; shift
  # shellcheck disable=SC2086 # compiler and flags are word lists
  (cd "$here" && $compiler $flags -o "$out/$name.$$" "$@") && mv "$out/$name.$$" "$out/$name"
}
build ambit-cni ambit-cni.c plan-add.c json-span.c
if [ -n "$sanitize" ]; then build fuzz-plan-add fuzz-plan-add.c plan-add.c json-span.c
else build ambit-netns ambit-netns.c netns-look.c netns-route.c netns-rules.c; fi
echo "$key" >"$out/key"
