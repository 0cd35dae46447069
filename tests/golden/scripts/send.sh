umask 077
state=/var/lib/dockwright
folder=$state/sent.2026-11-24-1f3a2b
file=$folder/s05
umask 022
mkdir -p "$state" && chmod 0711 "$state"
umask 077
mkdir -p "$folder" && rm -f -- "$file"
if printf %s aXQncw== | base64 -d >>"$file"; then
  echo "dw1 2026-11-24-1f3a2b have $(stat -c %s "$file")"
else
  rm -rf -- "$folder"
  echo "dw1 2026-11-24-1f3a2b full"
fi
