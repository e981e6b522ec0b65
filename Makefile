# The three things one does here. The work is in `cargo xtask`; this page only gives it short names.
#
#   make up    install what is missing, build, and serve a demonstration on this machine
#   make run   run the example repository's workflow in the terminal, without a server
#   make test  every gate and every test, on a clean checkout

.PHONY: up run test toolchain

# Cargo may have been told to build elsewhere.
AIRLOCK = $${CARGO_TARGET_DIR:-target}/release/airlock

up: toolchain
	cargo xtask install
	cargo build --release --package airlock-app
	$(AIRLOCK) up --demo

run: toolchain
	cargo xtask install
	cargo build --release --package airlock-app
	$(AIRLOCK) run examples/hello

test: toolchain
	cargo xtask test

toolchain:
	@xtask/toolchain.sh
