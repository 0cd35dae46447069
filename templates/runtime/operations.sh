# --- operations: the manual's list, one by one, under names of our own; what was made goes again ---

# operations IMAGE REGISTRY LOGIN: IMAGE is pulled, REGISTRY (HOST or HOST/NAME, or nothing) is pushed to,
# LOGIN is its host where a login was handed over. What cannot be tried is told as a note.
operations() {
  mine=dockwright-operations-$$ tried='' untried='' pushed=''
  box=$run/operations
  (umask 077 && mkdir "$box" "$box/config") || return
  # Root's own logins serve here, too; a login that is tried does not replace one.
  [ ! -f /root/.docker/config.json ] || cp -p /root/.docker/config.json "$box/config/"
  DOCKER_CONFIG=$box/config docker_config=$box/config/config.json
  export DOCKER_CONFIG
  way_back=operations_gone
  walk "$@"
  walked=$?
  operations_gone
  way_back=
  unset DOCKER_CONFIG
  printf '%s\n' "$untried" | while IFS= read -r line; do
    [ -z "$line" ] || record_text note "$step_id" "not tried: $line"
  done
  [ "$walked" = 0 ] || return 1
  say "${tried#, }"
}

walk() {
  image=$1 count=0
  [ -n "$2" ] || untried="push, login, logout: no registry was given (--registry)"
  if answer=$(timeout 60 docker search --limit 1 hello-world 2>&1); then
    tried=", search"
  else
    untried="$untried
search: the hub does not offer it here ($(printf '%s' "$answer" | head -n 1 | cut -c1-120))"
  fi
  if [ -n "$3" ]; then
    log_in "$3" || return
    tried="$tried, login"
  elif [ -n "$2" ]; then
    untried="$untried
login, logout: no login for $2 was given (--registry-logins)"
  fi
  if ! pull_once 180 "$image"; then
    broken pull
    return 1
  fi
  pulled=1 tried="$tried, pull"
  operation images sh -c 'docker image ls -q "$1" | grep .' sh "$image" &&
    operation tag docker tag "$image" "$mine:1" || return
  if [ -n "$2" ]; then
    case $2 in */*) pushed=$2:dockwright ;; *) pushed=$2/dockwright-operations:dockwright ;; esac
    docker tag "$image" "$pushed" && operation push docker push -q "$pushed" || return
    record_text note "$step_id" "$pushed stays in the registry: docker takes nothing away there"
  fi
  operation save docker save -o "$box/tar" "$mine:1" &&
    operation load docker load -q -i "$box/tar" &&
    operation create docker create --name "$mine" --label dockwright.check=look "$mine:1" &&
    operation run docker run --rm --label dockwright.check=look "$mine:1" &&
    operation commit docker commit "$mine" "$mine:committed" &&
    printf 'FROM %s\nLABEL dockwright.check=look\n' "$mine:1" >"$box/Dockerfile" || return
  # The classic builder: buildkit would leave records in its cache.
  DOCKER_BUILDKIT=0 operation build docker build -q -t "$mine:built" -f "$box/Dockerfile" "$box/config" &&
    operation history docker history -q "$mine:built" &&
    operation inspect docker inspect "$mine" "$mine:built" &&
    operation rmi docker rmi "$mine:built" || return
  [ -z "$3" ] || operation logout docker logout "$3"
}

operation() { # NAME COMMAND...
  record progress "$step_id" "$((count * 100 / 14)) verify docker $1"
  name=$1 count=$((count + 1))
  shift
  answer=$(timeout 180 "$@" 2>&1) || { broken "$name"; return 1; }
  tried="$tried, $name"
}

broken() { # NAME: what was said is in $answer
  printf '%s\n' "$answer"
  blame "docker $1 does not work" "$answer"
}

operations_gone() {
  docker rm -f "$mine"
  docker image rm "$mine:built" "$mine:committed" "$mine:1"
  [ -z "$pushed" ] || docker image rm "$pushed"
  [ -z "${pulled-}" ] || pulled_goes "$image"
  rm -rf -- "$box"
} >/dev/null 2>&1
