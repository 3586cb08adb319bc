# Runs a server on behalf of a test process, and outlives that process by as much as it takes to clean up after it:
# stdin is a pipe whose other end closes with the process, however that ends.
#
# usage: sh -c SCRIPT supervisor HOME PROGRAM [ARGUMENT...]
# orders on stdin: "start", or the name of a signal, which stops the server; the end of stdin removes server and HOME.
exec 2>&1
home=$1
shift
pid=$home/supervised.pid

stop() {
  [ -n "$running" ] || return 0
  until [ -s "$pid" ]; do sleep 0.01; done
  for signal; do kill -s "$signal" "$(cat "$pid")"; done 2>/dev/null
  wait
  running=
}

running=
while read -r order; do
  if [ "$order" != start ]; then
    stop "$order"
    continue
  fi
  rm -f "$pid"
  running=yes
  (
    "$@" </dev/null &
    echo $! >"$pid"
    wait $!
    echo "supervisor: ended"
  ) &
done
# A shell's children may come to ignore QUIT; a server that does not has begun to stop when TERM reaches it.
stop QUIT TERM
cd /
rm -rf -- "$home"
