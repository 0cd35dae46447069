# --- archives of what is installed, as dpkg-repack(1) makes them -----------------------------------

archive_of() { # PACKAGE: where its archive is kept, named as apt names it
  printf '%s/debs/%s' "$state" "$(dpkg-query -W -f='${Package}_${Version}_${Architecture}.deb' "$1" | sed 's/:/%3a/g')"
}

repacked() { # PACKAGE...: each has its archive
  for package; do [ -f "$(archive_of "$package")" ] || return; done
}

# repack PACKAGE: its files as they are now, with its own scripts. dpkg lists /lib/x though /lib is a
# link: files are taken by name, and of directories those that are none.
repack() {
  root=$(mktemp -d "$private_root/repack.XXXXXX") && mkdir -p "$root/DEBIAN" "$state/debs" && chmod 0755 "$root" || return
  dpkg-query -s "$1" | awk '/^[^ ]/ { skip = /^(Status|Conffiles|Config-Version):/ } !skip' >"$root/DEBIAN/control"
  dpkg-query -W -f='${Conffiles}\n' "$1" | awk 'NF && $NF != "obsolete" { print $1 }' >"$root/DEBIAN/conffiles"
  for part in $(dpkg-query --control-list "$1"); do
    case $part in preinst|postinst|prerm|postrm|config|templates|triggers|shlibs|symbols) ;; *) continue ;; esac
    cp -p -- "$(dpkg-query --control-path "$1" "$part")" "$root/DEBIAN/$part" || return
  done
  dpkg-query -L "$1" | while read -r path; do
    if [ -f "$path" ] || { [ -L "$path" ] && [ ! -d "$path" ]; } || { [ -d "$path" ] && [ ! -L "$path" ]; }; then printf '%s\n' "${path#/}"; fi
  done | sed '/^\.\{0,1\}$/d' >"$root.files"
  tar -C / --no-recursion -cf - -T "$root.files" | tar -C "$root" -xpf - &&
    dpkg-deb -b "$root" "$(archive_of "$1").new" && mv -f "$(archive_of "$1").new" "$(archive_of "$1")" && rm -rf -- "$root" "$root.files"
}
