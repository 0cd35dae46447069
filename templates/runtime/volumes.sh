# --- volumes: each is kept in an archive before it goes --------------------------------------------

# save_volumes ROOT FOLDER [NAME...]: each as FOLDER/NAME.tar, for root alone; without names all that
# are below ROOT. An archive that is there already stays: it may be all that is left of a volume.
save_volumes() {
  root=$1 folder=$2 saved=0
  shift 2
  (umask 077 && mkdir -p -- "$folder") && folder=$(cd -P -- "$folder" && pwd -P) || return
  for below in "$root" /var/lib/docker /var/lib/containerd "$state"; do
    case $folder/ in "$below"/*) cause="$folder is below $below, which may go"; return 1 ;; esac
  done
  if [ $# = 0 ]; then
    for data in "$root"/volumes/*/_data; do
      data=${data%/_data}
      [ ! -d "$data" ] || set -- "$@" "${data##*/}"
    done
  fi
  part=$folder/.dockwright-$run_id
  rm -f -- "$folder"/.dockwright-* # of a run that was cut
  for name; do
    data=$root/volumes/$name/_data
    if [ ! -d "$data" ] || [ -L "$data" ]; then
      cause="the volume $name is not below $root: only its driver has it, and nothing was deleted"
      return 1
    fi
    number='' archive=$folder/$name.tar
    while [ -e "$archive" ] || [ -L "$archive" ]; do
      number=$((${number:-0} + 1)) archive=$folder/$name.$number.tar
    done
    (umask 077 && tar --numeric-owner --xattrs --acls -C "${data%/_data}" -cf "$part" _data) &&
      sync "$part" && mv -f -- "$part" "$archive" && sync "$folder" || {
      rm -f -- "$part"
      cause="the volume $name could not be saved in $folder; nothing was deleted"
      return 1
    }
    saved=$((saved + 1))
  done
  volumes_saved=1
  say "$saved in $folder"
}
