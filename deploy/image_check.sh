#!/usr/bin/env bash
# Builds the images of the Dockerfile without a registry and tests them: `sudo make image-check`.
#
# The base image is Debian, made by debootstrap from the mirror that apt uses; packages come from pip's index. Entry point,
# environment, user and healthcheck are those of the Dockerfile. Containers are hardened: no privileges, a read-only root,
# and no network except their own loopback. Everything is removed at the end, also after an error.
#
#   SUITE=trixie             Debian release; its Python must be 3.11 to 3.13
#   STAGES="serve train"     images to test
#   BUILD_OPTIONS=           more options for `buildah build`, such as --secret id=pip,src=pip.conf
#   TMPDIR=/var/tmp          folder for the images, one at a time; needs three times 2.5 GB for serve, 7.2 GB for train
set -euo pipefail
cd "$(dirname "$0")/.."

SUITE=${SUITE:-trixie}
STAGES=${STAGES:-serve train}

say() { echo "image-check: $*"; }
refuse() {
  echo "image-check: $*" >&2
  exit 2
}

for program in buildah debootstrap ip jq nsenter setpriv unshare; do
  command -v "$program" > /dev/null ||
    refuse "$program is not installed. Expected: apt-get install buildah debootstrap iproute2 jq util-linux."
done
[ "$(id -u)" = 0 ] || refuse "expected root, which is needed to create the files of a base image. Run: sudo make image-check."
unshare --mount --net true ||
  refuse "namespaces are not permitted here. Expected: a real or virtual machine, or a container with CAP_SYS_ADMIN."

work=$(mktemp --directory "${TMPDIR:-/var/tmp}/image-check.XXXXXX")
server=

# Uses a store of its own, so that other images of this machine are not touched.
images() { buildah --root "$work/store" --runroot "$work/run" "$@"; }

clean() {
  [ -z "$server" ] || kill -KILL "$server" 2> /dev/null || true
  images rm --all > /dev/null 2>&1 || true
  umount "$work/store/overlay" 2> /dev/null || true
  rm -rf --one-file-system "$work"
}
trap clean EXIT

setting() { images inspect --type image "localhost/fcn-$1" | jq --raw-output ".Docker.config$2"; }

# Starts a program in the image mounted at $root, as its user. Argument: ro or rw, for /models. Never returns.
contained() {
  export root models=$work/models models_access=$1
  # shellcheck disable=SC2016  # expanded by the inner shell
  exec unshare --mount --net bash -euc '
    mount --bind "$root" "$root"
    mount --bind -o "$models_access" "$models" "$root/models"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    mount -o remount,bind,ro "$root"
    ip link set lo up
    exec chroot "$root" setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs --bounding-set=-all \
      env --ignore-environment --chdir=/tmp "$@"
  ' bash "${environment[@]}" "${@:2}"
}

# Runs a program beside the server, as its user.
beside() {
  nsenter --target "$server" --mount --net chroot "$root" setpriv --reuid=1000 --regid=1000 --clear-groups \
    env --ignore-environment --chdir=/tmp "${environment[@]}" "$@"
}

build() {
  say "building $1"
  # shellcheck disable=SC2086  # several options
  images build --format docker --isolation chroot --pull-never --build-arg BASE_IMAGE=localhost/fcn-base \
    --target "$1" --tag "localhost/fcn-$1" ${BUILD_OPTIONS:-} . > "$work/build.log" 2>&1 || {
    tail --lines 30 "$work/build.log" >&2
    refuse "$1 was not built."
  }
  root=$(images mount "$(images from --pull-never "localhost/fcn-$1")")
  say "$1 takes $(du --summarize --block-size=MB "$root" | cut --fields 1)"
  mkdir "$root/models"
  mapfile -t environment < <(setting "$1" '.Env[]')
  mapfile -t entry < <(setting "$1" '.Entrypoint[]')
  [ "$(setting "$1" .User)" = 1000 ] || refuse "$1: expected the user 1000. Received: $(setting "$1" .User)."
}

make_base() {
  say "making Debian $SUITE"
  local container mirror
  # shellcheck disable=SC2016  # apt expands these names
  mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 2> /dev/null | sed --quiet 's/^Debian //p' | head --lines 1)
  mirror=${DEBIAN_MIRROR:-$mirror} # if empty, debootstrap uses its default
  container=$(images from scratch)
  root=$(images mount "$container")
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv "$SUITE" "$root" \
    ${mirror:+"$mirror"} > "$work/debootstrap.log" 2>&1 || {
    tail --lines 20 "$work/debootstrap.log" >&2
    refuse "debootstrap made no Debian $SUITE."
  }
  # The certificates of this machine, which may reach the package index through a proxy.
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  images commit --quiet --rm "$container" localhost/fcn-base > /dev/null
}

check_serve() {
  mkdir "$work/models"
  chown 1000:1000 "$work/models"
  say "exporting a thin net inside"
  (contained rw python -c "
import fcn
from fcn.models.fcn import FCN
net = FCN(num_classes=3, width=1 / 32, fc_channels=8)
fcn.export(net, '/models', formats=['openvino'])") > "$work/export.log" 2>&1 || {
    tail --lines 20 "$work/export.log" >&2
    refuse "serve: the export failed."
  }

  mapfile -t command < <(setting serve '.Cmd[]')
  mapfile -t health < <(setting serve '.Healthcheck.Test[1:][]')
  say "starting: ${entry[*]} ${command[*]}"
  (contained ro "${entry[@]}" "${command[@]}") > "$work/server.log" 2>&1 &
  server=$!
  local began=$SECONDS
  until beside "${health[@]}" 2> /dev/null; do
    if ! kill -0 "$server" 2> /dev/null || [ $((SECONDS - began)) -gt 300 ]; then
      tail --lines 20 "$work/server.log" >&2
      refuse "the server did not become healthy."
    fi
    sleep 1
  done
  say "healthy after $((SECONDS - began)) s"
  grep --quiet --perl-regexp '^Uid:\t1000\t1000\t1000\t1000$' "/proc/$server/status" || refuse "the server runs as another user."
  grep --quiet --perl-regexp '^CapEff:\t0+$' "/proc/$server/status" || refuse "the server has privileges."
  (nsenter --target "$server" --mount touch "$root/opt/probe" 2>&1 || true) | grep --quiet 'Read-only file system' ||
    refuse "the root can be written to."
  beside python - < deploy/image_check_client.py || refuse "the server returned a wrong response; its log: $(cat "$work/server.log")"

  kill -TERM "$server"
  local status=0
  wait "$server" || status=$?
  server=
  [ "$status" = 143 ] || refuse "expected the exit status 143 on SIGTERM. Received: $status."
  say "serve passed"
}

check_train() {
  mkdir --parents "$work/models"
  say "training two steps inside, and labeling"
  (contained ro sh -ec '
    python -m fcn data generate data --train 8 --val 2
    python /opt/fcn/train.py /opt/fcn/configs/quickstart.yaml --run run --set data.root=data --set train.steps=2
    python /opt/fcn/infer.py run data/JPEGImages --output labels
    test "$(ls labels | wc --lines)" = 10') > "$work/train.log" 2>&1 || {
    tail --lines 20 "$work/train.log" >&2
    refuse "train: training failed."
  }
  (contained ro "${entry[@]}" --help) | grep --quiet '^usage: ' || refuse "train: the entry point printed no usage."
  say "train passed"
}

for stage in $STAGES; do
  declare -F "check_$stage" > /dev/null || refuse "STAGES: expected serve, train or both. Received: $stage."
done
make_base
for stage in $STAGES; do
  build "$stage"
  "check_$stage"
  images rm --all > /dev/null
  images rmi "localhost/fcn-$stage" > /dev/null
done
