#!/usr/bin/env bash
# Puts the program into one file: build.sh TARGET
set -euo pipefail
target="$1"
mkdir -p "$(dirname "$target")"
{
  echo '#!/usr/bin/env bash'
  echo 'set -euo pipefail'
  cat src/greeting.sh src/main.sh
} > "$target"
chmod +x "$target"
bash -n "$target"
echo "built $target ($(wc -c < "$target") bytes)"
