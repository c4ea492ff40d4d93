#!/bin/sh
# Checks the contracts between processes: lint, no break of the wire or JSON form since the last release tag (without a
# tag: since the last commit), and that the committed generated code is what the .proto files give.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PWD/node_modules/.bin:$PATH
export PATH

buf lint
if git rev-parse -q --verify HEAD >/dev/null 2>&1; then
  base=$(git describe --tags --abbrev=0 2>/dev/null || git rev-parse HEAD)
  if git cat-file -e "$base:libs/api/proto" 2>/dev/null; then buf breaking --against ".git#ref=$base"; fi
fi

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
buf generate -o "$fresh"
if ! diff -r "$fresh/libs/api/src/gen" libs/api/src/gen; then
  echo "proto: libs/api/src/gen is not what libs/api/proto gives; type: npm run proto" >&2
  exit 1
fi
echo "proto: lint, compatibility and generated code are right"
