#!/usr/bin/env bash
# What tests/test_browser.py needs beside Python: onnxruntime-web from npm, and Chromium from Debian's packages.
# Ends well whatever happens: the tests skip what is missing, and say so.
set -u
cd "$(dirname "$0")/../examples/browser"

attempt() {  # attempt "what" command…: quiet when it works, the end of its output when it does not
  local what=$1 output
  shift
  if output=$(timeout 600 "$@" 2>&1); then
    echo "$what: installed"
  else
    printf '%s\n' "$output" | tail -n 3
    echo "$what: not installed; tests/test_browser.py will be skipped"
  fi
}

# npm writes node_modules/.package-lock.json last.
if [ node_modules/.package-lock.json -nt package-lock.json ]; then
  :
elif command -v npm >/dev/null; then
  attempt onnxruntime-web npm ci --no-progress && touch -c node_modules/.package-lock.json
else
  echo "onnxruntime-web: there is no npm; tests/test_browser.py will be skipped"
fi

if command -v chromium chromium-browser google-chrome >/dev/null; then
  :
elif command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  attempt Chromium sh -c 'apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium'
else
  echo "Chromium: not found, and only root on Debian can install it; tests/test_browser.py will be skipped"
fi
