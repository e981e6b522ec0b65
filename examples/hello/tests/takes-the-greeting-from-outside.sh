. src/greeting.sh
[ "$(GREETING=Ahoy greet crew)" = "Ahoy, crew!" ]
