#!/bin/sh
# What `npm ci` does with packages that lie beside the program.
set -eu
rm -rf node_modules
mkdir node_modules
cp -r vendor/* node_modules/
