# Functions of the program; `scripts/build.sh` puts them into one file.

# greet NAME: prints the greeting; the word comes from GREETING.
greet() {
  local name="${1:-}"
  if [ -z "$name" ]; then
    echo "hello: say whom to greet" >&2
    return 2
  fi
  printf '%s, %s!\n' "${GREETING:-Hello}" "$name"
}

# shout TEXT: prints the text in capitals.
shout() {
  printf '%s\n' "${1^^}"
}
