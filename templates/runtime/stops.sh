# --- stops: containers that run are stopped only where that was agreed to -----------------------------

# refuse_to_stop STEP: containers that a removed or changed runtime would stop, unless agreed to.
# With live-restore these three can be upgraded below running containers.
refuse_to_stop() {
  [ -z "$allow_restart" ] || return 0
  affected='' live=1
  for word in $wanted; do
    package=${word##*/}
    package=${package%%=*}
    package=${package%%_*}
    case ${package%-} in
      docker-ce|docker-ce-cli|containerd.io) case $word in *=*) ;; *) live= ;; esac ;;
    esac
    case ${package%-} in
      docker-ce|containerd.io) affected=1 ;;
      docker.io|docker-engine|moby-engine|containerd|moby-containerd|runc|moby-runc|podman-docker) affected=1 live= ;;
    esac
  done
  [ -n "$affected" ] || return 0
  if [ -n "$live" ] && [ "$(timeout 20 docker info --format '{{.LiveRestoreEnabled}}' 2>/dev/null)" = true ]; then return 0; fi
  names=$(timeout 20 docker ps --format '{{.Names}}' 2>/dev/null | tr '\n' ' ')
  [ -z "$names" ] || stop 9 "$1" "containers would stop: $names(when they may: --allow-restart)"
}
