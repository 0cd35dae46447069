# --- the one apt transaction ---------------------------------------------------------------------

# preflight STEP: sources, signatures and simulation in private; nothing else of the host changes.
preflight() {
  asked_to_stop "$1"
  record begin "$1" "trial update and simulation"
  prepare_private >"$out" 2>&1 || stop 3 "$1" "no room for private apt directories in $private_root"
  add_repositories >"$out" 2>&1 || stop 3 "$1" "no room for private apt directories in $private_root"
  private_update "$1"
  if ! simulate >"$private/simulated" 2>"$out"; then
    stop 3 "$1" "apt cannot make this plan"
  fi
  plan_of <"$private/simulated" >"$private/got"
  printf '%s' "$transaction" | sort >"$private/want"
  if ! cmp -s "$private/got" "$private/want"; then
    diff "$private/want" "$private/got" >"$out" 2>&1 || :
    stop 3 "$1" "apt would not do what was planned; the host or the repository changed since: plan again"
  fi
  record passed "$1" "apt's simulation is the plan"
}

# download STEP: everything, before anything is removed; and what goes, while the archive has it.
download() {
  asked_to_stop "$1"
  record begin "$1" "download"
  # shellcheck disable=SC2086
  with_progress "$1" private_apt $apt_flags --download-only install $wanted ||
    stop 5 "$1" "a package could not be downloaded"
  for package in $removals; do
    version=$(dpkg-query -W -f='${Version}' "$package" 2>/dev/null) || continue
    mkdir -p "$state/debs"
    (cd "$state/debs" && private_apt download "$package=$version") >>"$out" 2>&1 ||
      record_text note "$1" "the archive no longer has $package $version: it cannot be kept for a way back"
  done
  record passed "$1" ""
}

# with_progress STEP COMMAND...: its apt status stream as records, its output to $out, its status.
with_progress() {
  id=$1
  shift
  {
    "$@" -o APT::Status-Fd=9 9>&1 >>"$out" 2>&1
    echo $? >"$run/status"
  } | progress_of "$id"
  [ "$(cat "$run/status")" = 0 ]
}

version_of() { # PACKAGE: the installed version, or "absent"
  case $(dpkg-query -W -f='${db:Status-Status} ${Version}' "$1" 2>/dev/null) in
    "installed "*) dpkg-query -W -f='${Version}' "$1" ;;
    *) printf absent ;;
  esac
}

write_guard() {
  cat >"$private/guard" <<'GUARD'
#!/bin/sh
# apt gives all that it is about to do (DPkg::Pre-Install-Pkgs, version 3): the plan, or nothing.
dir=${0%/*}
awk 'body { if ($NF == "**REMOVE**") print "R", $1; else if ($NF != "**CONFIGURE**") print "I", $1, $6 } /^$/ { body = 1 }' |
  sort >"$dir/guarded"
cmp -s "$dir/guarded" "$dir/want" && exit 0
echo "dockwright: this is not the plan; nothing was done" >&2
diff "$dir/want" "$dir/guarded" >&2
exit 1
GUARD
  chmod 0755 "$private/guard"
}

transact() {
  write_guard || return
  wait_for_locks "$step_id"
  printf '%s' "$transaction" | while read -r _ package version; do
    receipt "package $package $(version_of "$package") ${version:-absent}"
  done
  # shellcheck disable=SC2086
  if with_progress "$step_id" private_apt $apt_flags --no-download \
      -o "DPkg::Pre-Install-Pkgs::=$private/guard" -o "DPkg::Tools::Options::$private/guard::Version=3" \
      install $wanted; then
    return 0
  fi
  if grep -q 'dockwright: this is not the plan' "$out"; then
    restore_files
    committed=0
    exit_code=3 cause="apt was about to do something else than the plan; the hook stopped it"
  elif lock_holder >/dev/null && ! grep -q '^Setting up\|^Unpacking\|^Removing' "$out"; then
    transact
    return
  elif [ -n "$(dpkg --audit 2>/dev/null)" ]; then
    dpkg --audit
    exit_code=6 cause="a package is half installed; after its cause is mended the same command goes on"
  fi
  return 1
}

# restore_files: what this run wrote, back to what stood there.
restore_files() {
  [ -f "$run/receipt" ] || return 0
  sed -n '/^file /p' "$run/receipt" | while read -r _ path before backup; do
    if [ "$before" = absent ]; then rm -f -- "$path"; else cp -p -- "$backup" "$path"; fi
  done
}

# refresh: the host's own lists learn of our repositories, and of nothing else.
refresh() {
  wait_for_locks "$step_id"
  for file in $source_paths; do
    apt-get -q -o Dir::Etc::sourcelist="$file" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 \
      -o APT::Update::Error-Mode=any -o Acquire::Retries=3 update || return
  done
  refreshed=1
}
