#!/usr/bin/env bash
# Finds a greeting in a language and a tone: check.sh LANGUAGE TONE
set -euo pipefail
line="$(grep "^$1 " greetings.txt)"
greeting="${line#* }"
if [ "$2" = loud ]; then
  greeting="${greeting^^}"
fi
echo "$greeting"
