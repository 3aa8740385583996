#!/usr/bin/env bash
# What the tests need from Debian: installed when we are root or have sudo, otherwise named and refused.
set -euo pipefail
declare -A program=([chromium]=chromium [chromium-headless-shell]=chromium-headless-shell [gpsd]=gpsd [age]=age [openssl]=openssl [curl]=curl [e2fsprogs]=mkfs.ext4 [iproute2]=ip [softhsm2]=softhsm2-util [janus]=janus)
# Debian roots are made by root alone; for anybody else their tests skip.
[ "$(id -u)" -ne 0 ] || program+=([debootstrap]=debootstrap [qemu-user-static]=qemu-aarch64-static)
missing=()
for package in "${!program[@]}"; do
  command -v "${program[$package]}" >/dev/null || [ -x "/usr/sbin/${program[$package]}" ] || missing+=("$package")
done
# Not by a pipe: grep -q leaves early, fc-list then dies of SIGPIPE, and pipefail calls the font missing.
[[ "$(fc-list : family 2>/dev/null || true)" == *"Noto Sans CJK"* ]] || missing+=(fonts-noto-cjk fontconfig)
[ ${#missing[@]} -eq 0 ] && exit 0
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    echo "zhixing: the tests need these Debian packages: ${missing[*]}."
    echo "Remedy: sudo apt-get install --no-install-recommends ${missing[*]}"
    exit 1
  fi
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
