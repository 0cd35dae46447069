# --- logins: where docker keeps root's, and how they go again -------------------------------------

unset DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG # root's own daemon and file are meant

docker_config=/root/.docker/config.json

# logged_in HOST: docker's own file has a login for it; its key for the hub is an address.
logged_in() {
  key=$1
  [ "$1" != docker.io ] || key=https://index.docker.io/v1/
  grep -qsF -e "\"$key\"" "$docker_config"
}

# log_out HOST BEFORE: BEFORE is "new" where docker had no file before the login.
log_out() {
  case $1 in docker.io) docker logout ;; *) docker logout "$1" ;; esac || return
  # What docker leaves is an empty list.
  [ "$2" = new ] && [ "$(tr -d ' \t\n' <"$docker_config" 2>/dev/null)" = '{"auths":{}}' ] || return 0
  rm -f -- "$docker_config" && rmdir -- "${docker_config%/*}" 2>/dev/null || :
}
