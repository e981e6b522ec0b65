main() {
  if [ "${1:-}" = "--shout" ]; then
    shout "$(greet "${2:-}")"
  else
    greet "${1:-}"
  fi
}

main "$@"
