#!/bin/sh
# What must be there before `cargo xtask` itself can be built: cargo and a C compiler. Everything else is installed by
# `cargo xtask install` and `cargo xtask test`. Says what it does; changes nothing when both are there.
set -eu

folder=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
wanted=$(sed -n 's/^channel = "\(.*\)"$/\1/p' "$folder/rust-toolchain.toml")

apt_has() {
    command -v apt-get >/dev/null 2>&1 && apt-cache show "$1" >/dev/null 2>&1
}

install() {
    if [ "$(id -u)" != 0 ]; then
        echo "missing: $1; run: sudo apt-get install --no-install-recommends $1" >&2
        exit 1
    fi
    echo "installing: apt-get install --no-install-recommends $1"
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$1" </dev/null
}

if ! command -v cc >/dev/null 2>&1; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "there is no C compiler (cc): install one with this machine's package manager" >&2
        exit 1
    fi
    [ "$(id -u)" != 0 ] || apt-get update -q </dev/null
    install gcc
    install libc6-dev
fi

if ! command -v cargo >/dev/null 2>&1; then
    # Only rustup: distributions' own cargo is usually older than the pinned toolchain.
    if apt_has rustup; then
        install rustup
    else
        echo "there is no cargo: install rustup, see https://rustup.rs (Debian 13 and later: apt install rustup)," >&2
        echo "then run this again; rustup fetches the pinned Rust $wanted by itself" >&2
        exit 1
    fi
fi

# With rustup, this fetches the pinned toolchain when it is missing.
if ! found=$(cd "$folder" && cargo --version </dev/null); then
    echo "cargo does not start: install Rust $wanted, for instance with: rustup toolchain install $wanted" >&2
    exit 1
fi
case "$found" in
    "cargo $wanted"*) ;;
    *) echo "note: Rust $wanted is what this project is built with, found: $found" >&2 ;;
esac
