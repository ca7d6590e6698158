# Shared by the scripts: words for the user, what must be installed, the one build. To be sourced.

set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/dronechain/target}
BIN=$CARGO_TARGET_DIR/release
RUST_MIN=1.95
# What cargo tells a test that calls a script; build scripts that look at it would run again, and all above them.
unset CARGO_MANIFEST_DIR CARGO_MANIFEST_PATH CARGO_CRATE_NAME CARGO_PRIMARY_PACKAGE "${!CARGO_PKG_@}"

say() { printf '%s\n' "$*" >&2; }

# One clear line, then the end with exit code 3 (could not be done) or the one given.
die() {
    say "error: $1"
    exit "${2:-3}"
}

# install_package NAME WHY: by apt, with sudo only if not root.
install_package() {
    local name=$1 why=$2 sudo=
    if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
    command -v apt-get >/dev/null || die "$name is missing ($why); install it with your package manager"
    if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
        die "$name is missing ($why) and there is no sudo; run: apt-get install $name"
    fi
    say "installing $name: $why"
    if ! DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y --no-install-recommends "$name" >/dev/null 2>&1; then
        $sudo apt-get update >/dev/null 2>&1 || true
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y --no-install-recommends "$name" >/dev/null 2>&1 ||
            die "$name could not be installed ($why); run: apt-get install $name"
    fi
}

# need COMMAND PACKAGE WHY
need() { command -v "$1" >/dev/null || install_package "$2" "$3"; }

install_build_tools() {
    if ! command -v cargo >/dev/null; then
        die "cargo is missing; install Rust $RUST_MIN or newer from https://rustup.rs"
    fi
    local version
    version=$(rustc --version | awk '{print $2}')
    if [ "$(printf '%s\n%s\n' "$RUST_MIN" "$version" | sort -V | head -1)" != "$RUST_MIN" ]; then
        die "Rust $version is too old, $RUST_MIN is wanted; run: rustup update stable"
    fi
    need g++ g++ "compiles RocksDB and SQLite"
    need clang clang "RocksDB's bindings are generated with it"
    if [ -z "${LIBCLANG_PATH:-}" ] &&
        [ -z "$(find /usr/lib /usr/lib64 -name 'libclang[.-][0-9s]*' -not -name '*cpp*' -print -quit 2>/dev/null)" ]; then
        install_package libclang-dev "RocksDB's bindings are generated with it"
    fi
}

# The commit of the version before, from which networks are upgraded to this one.
EARLIER=f0340f2d8cae1b1dfef5c79a31ae7b57eaac94cb

# Prints where the node of that version is, once it is built.
earlier_program() { printf '%s\n' "$CARGO_TARGET_DIR/earlier/$EARLIER/dronechain-node"; }

# Builds it, unless it is there: with the same dependencies, so that only its own crates compile. To be called before
# build, which puts this version's programs back in place.
build_earlier() {
    local program source
    program=$(earlier_program)
    source=$(dirname "$program")/source
    if [ -e "$program" ]; then return; fi
    git -C "$ROOT" cat-file -e "$EARLIER^{commit}" 2>/dev/null || die "git does not have commit $EARLIER"
    say "building the node of the version before: this one is to follow it without a break"
    rm -rf "$source"
    mkdir -p "$source"
    git -C "$ROOT" archive "$EARLIER" | tar -x -C "$source" || return
    # With an example, so that features are those of the whole workspace.
    (cd "$source" && cargo build --release --locked --workspace --bin dronechain-node --example verify_offline) >&2 || return
    cp "$BIN/dronechain-node" "$program.$$"
    mv "$program.$$" "$program"
    rm -rf "$source"
}

# Everything is built with one profile and one set of features, so that RocksDB compiles once:
# always the whole workspace, never a single package.
build() {
    if [ ! -e "$BIN/dronechain-node" ]; then
        say "building for the first time: about 20 minutes on two cores, most of it RocksDB"
    fi
    (cd "$ROOT" && cargo build --release --locked --workspace --bins --examples "$@") >&2
}

# The public Chainpoint tools of tests/clients.
public_clients() { npm_tools clients "public Chainpoint tools" "receipts are held against them"; }

# What finds faults of accessibility in pages, of tests/browser.
browser_tools() { npm_tools browser axe-core "the explorer's pages are checked with it"; }

# npm_tools FOLDER WHAT WHY: installs what the lock file of tests/FOLDER names, unless it is there, and prints where. Nothing
# that it brings is run on the way.
npm_tools() {
    local source=$ROOT/tests/$1 what=$2 why=$3 folder
    command -v npm >/dev/null || die "npm is missing"
    folder=${XDG_CACHE_HOME:-$HOME/.cache}/dronechain/$1/$(sha256sum "$source/package-lock.json" | cut -c1-16)
    if [ ! -e "$folder" ]; then
        say "installing $what from npm: $why"
        mkdir -p "$folder.$$"
        cp "$source/package.json" "$source/package-lock.json" "$folder.$$/"
        if ! (cd "$folder.$$" && npm ci --ignore-scripts --no-audit --no-fund) >/dev/null 2>&1; then
            rm -rf "$folder.$$"
            die "npm could not install $what; is its registry reachable?"
        fi
        # Another run may have been faster.
        mv -T "$folder.$$" "$folder" 2>/dev/null || rm -rf "$folder.$$"
    fi
    printf '%s\n' "$folder"
}

# Installs what holds a node's openapi.json against its answers, unless it is, and prints the program.
api_checker() {
    local wanted=$ROOT/tests/clients/requirements.txt folder
    command -v python3 >/dev/null || die "python3 is missing"
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_package python3-venv "holds the tool that checks a node's calls" >&2
    folder=${XDG_CACHE_HOME:-$HOME/.cache}/dronechain/api-checker-$({ python3 -VV && cat "$wanted"; } | sha256sum | cut -c1-16)
    if [ ! -e "$folder/complete" ]; then
        say "installing schemathesis from PyPI: a node's calls are held against its description of them"
        rm -rf "$folder"
        mkdir -p "$(dirname "$folder")"
        python3 -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2 ||
            die "schemathesis could not be installed; is PyPI reachable?"
        touch "$folder/complete"
    fi
    printf '%s\n' "$folder/bin/st"
}
