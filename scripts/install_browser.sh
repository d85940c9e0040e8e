#!/usr/bin/env bash
# What tests of pages in a browser need beside Python: onnxruntime-web and axe-core from npm, Chromium from Debian's packages.
# Ends well whatever happens: the tests skip what is missing, and say so.
set -u
cd "$(dirname "$0")/../hebbstream/studio/browser"

attempt() {  # attempt "what" command…: quiet when it works, the end of its output when it does not
  local what=$1 output
  shift
  if output=$(timeout 600 "$@" 2>&1); then
    echo "$what: installed"
  else
    printf '%s\n' "$output" | tail -n 3
    echo "$what: not installed; tests of pages in a browser will be skipped"
  fi
}

packages() {  # packages "what" folder: what the folder's lock names; npm writes node_modules/.package-lock.json last
  (
    cd "$2" || exit
    if [ node_modules/.package-lock.json -nt package-lock.json ]; then
      :
    elif command -v npm >/dev/null; then
      attempt "$1" npm ci --no-progress && touch -c node_modules/.package-lock.json
    else
      echo "$1: there is no npm; tests of pages in a browser will be skipped"
    fi
  )
}

packages onnxruntime-web .
packages axe-core ../../../tests/studio/npm

if command -v chromium chromium-browser google-chrome >/dev/null; then
  :
elif command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  attempt Chromium sh -c 'apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium'
else
  echo "Chromium: not found, and only root on Debian can install it; tests of pages in a browser will be skipped"
fi
