#!/bin/sh
# Makes the key and index files in this directory with gpg 2.2 or newer; see README.md.
# The secret keys live in a directory that is removed at the end.
set -eu

cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT

at() { # at TIME ARGUMENT...: gpg, at that time
    time=$1
    shift
    gpg --batch --quiet --yes --no-options --pinentry-mode loopback --passphrase '' \
        --faked-system-time "$time" "$@"
}
primary() { gpg --batch --with-colons --list-keys "=$1" | awk -F: '/^fpr/ { print $10; exit }'; }
subkey() { gpg --batch --with-colons --list-keys "=$1" | awk -F: '/^fpr/ { f = $10 } END { print f }'; }
export_to() { # export_to FILE NAME...
    file=$1
    shift
    at 20260101T000000 --armor --export "$@" >"$file"
}

release() {
    cat <<'END'
Origin: Vendor
Label: Vendor CE
Suite: noble
Codename: noble
Date: Thu, 01 Jan 2026 08:00:00 UTC
Architectures: amd64 arm64
Components: stable
Description: Lines that OpenPGP escapes
- dash at the beginning
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 stable/binary-amd64/Packages
END
}

# The shape of NVIDIA's key: the primary signs, a signing subkey has expired.
at 20200101T000000 --quick-generate-key 'Nvidia-like' ed25519 sign,cert never
nvidia=$(primary Nvidia-like)
at 20200102T000000 --quick-add-key "$nvidia" ed25519 sign 2021-01-01
export_to nvidia-like.asc "$nvidia"
release | at 20260101T080000 --clearsign -u "$nvidia!" >nvidia-like.inrelease
release | at 20200601T080000 --clearsign -u "$(subkey Nvidia-like)!" >expired-subkey.inrelease

# A stranger, in one file and under one text with it.
at 20200101T000000 --quick-generate-key 'Stranger' ed25519 sign,cert never
export_to two.asc "$nvidia" "$(primary Stranger)"
release | at 20260101T080000 --clearsign -u "$(primary Stranger)!" -u "$nvidia!" >two.inrelease

# Revoked by its owner.
at 20200101T000000 --quick-generate-key 'Revoked' ed25519 sign,cert never
sed 's/^:-----/-----/' "$GNUPGHOME/openpgp-revocs.d/$(primary Revoked).rev" |
    at 20210101T000000 --import
export_to revoked.asc "$(primary Revoked)"

# Nothing in it may sign: encryption only, and a signing subkey that was revoked.
at 20200101T000000 --quick-generate-key 'Certify only' ed25519 cert never
at 20200101T000000 --quick-add-key "$(primary 'Certify only')" cv25519 encr never
at 20200101T000000 --quick-add-key "$(primary 'Certify only')" ed25519 sign never
printf 'key 2\nrevkey\ny\n0\n\ny\nsave\n' |
    gpg --quiet --no-options --pinentry-mode loopback --passphrase '' --no-tty --status-fd 2 \
        --faked-system-time 20210101T000000 --command-fd 0 --edit-key "$(primary 'Certify only')" \
        2>/dev/null >/dev/null
export_to certify-only.asc "$(primary 'Certify only')"

# Too weak: short RSA, DSA, and a SHA-1 signature of a good key.
at 20200101T000000 --quick-generate-key 'Short' rsa1024 sign,cert never
export_to rsa1024.asc "$(primary Short)"
at 20200101T000000 --quick-generate-key 'Old' dsa2048 sign,cert never
export_to dsa2048.asc "$(primary Old)"
at 20200101T000000 --quick-generate-key 'Modest' rsa2048 sign,cert never
export_to rsa2048.asc "$(primary Modest)"
release | at 20260101T080000 --digest-algo SHA1 --clearsign -u "$(primary Modest)!" >sha1.inrelease
