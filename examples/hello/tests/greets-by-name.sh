. src/greeting.sh
unset GREETING
[ "$(greet world)" = "Hello, world!" ]
