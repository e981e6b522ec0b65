. src/greeting.sh
! greet "" 2> /dev/null
