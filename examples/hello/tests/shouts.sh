. src/greeting.sh
[ "$(shout 'Hello, world!')" = "HELLO, WORLD!" ]
