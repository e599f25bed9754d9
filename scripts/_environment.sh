# Sourced by the other scripts: finds the project, and makes its Python environment.
#
# Everything lands in one folder of the project's own (`.environment/`): the
# installer, its cache and the packages. What is fetched is pinned with hashes, in
# scripts/installer.txt and uv.lock. Where the checkout cannot be written (it belongs to
# someone else), the folder is made under the caller's cache folder instead. Nothing is
# installed system-wide, and nothing is run from a folder that others can write to.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
project=$(dirname -- "$here")

fail() {
    printf '%s: %s\n' "$(basename -- "$0")" "$*" >&2
    exit 1
}

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        [ -n "$candidate" ] || continue
        command -v "$candidate" >/dev/null 2>&1 || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    fail "needs Python 3.11 or newer; set PYTHON=/path/to/python3 if it is not on PATH."
}

# A folder of the project's own; where the checkout belongs to somebody else or cannot be
# written, one in the caller's cache folder instead.
own_folder() { # name
    wanted="$project/$1"
    if { [ -d "$wanted" ] && [ -O "$wanted" ] && [ -w "$wanted" ]; } ||
        { [ ! -e "$wanted" ] && [ -w "$project" ] && [ -O "$project" ]; }; then
        make_own "$wanted"
        return
    fi
    cache=${HOME:+$HOME/.cache}
    case "${XDG_CACHE_HOME:-}" in /*) cache=$XDG_CACHE_HOME ;; esac # another is to be ignored
    case "$cache" in /*) ;; *) fail "$project is not yours: set HOME or XDG_CACHE_HOME, for packages of your own." ;; esac
    mkdir -p -- "$cache"
    shared="$cache/account-registry-$(printf '%s' "$project" | cksum | cut -d' ' -f1)"
    make_own "$shared" >/dev/null
    make_own "$shared/${1#.}"
}

# What is run from a folder that somebody else made, or can write to, is theirs. (Others may pass,
# since root's PostgreSQL runs as another user.)
make_own() { # folder
    [ -d "$1" ] || mkdir -m 711 -- "$1" || fail "could not make the folder $1."
    [ -O "$1" ] && [ ! -L "$1" ] && [ -z "$(find "$1" -maxdepth 0 \( -perm -020 -o -perm -002 \))" ] ||
        fail "$1 is a link, or others can write to it. Look who made it, and remove it (or: chmod go-w)."
    printf '%s\n' "$1"
}

# One installer at a time: two scripts started together wait for each other.
prepare_environment() { # groups...
    environment=$(own_folder .environment) || exit 1
    if command -v flock >/dev/null 2>&1; then
        exec 9>"$environment/.lock"
        flock 9
    fi
    python=$(find_python)
    export UV_CACHE_DIR="$environment/uv-cache"
    export UV_PROJECT_ENVIRONMENT="$environment/venv"
    export UV_PYTHON_DOWNLOADS=never
    export UV_LINK_MODE=copy
    # The machine's own certificates, as pip uses them: many networks have a proxy with one.
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}" UV_NATIVE_TLS="${UV_NATIVE_TLS:-true}"
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    uv="$environment/installer/bin/uv"
    if ! "$uv" --version >/dev/null 2>&1; then
        printf 'Preparing %s (once; needs a package index)\n' "$environment" >&2
        rm -rf "$environment/installer"
        "$python" -I -m venv "$environment/installer" >&2 ||
            fail "could not make a virtual environment with $python (on Debian: apt-get install python3-venv)."
        "$environment/installer/bin/python" -I -m pip install --quiet --only-binary=:all: \
            --require-hashes --requirement "$here/installer.txt" >&2 ||
            fail "could not install uv; is a Python package index reachable?"
    fi
    # First what builds the project, which is pinned too, and then the project.
    for step in --no-install-project --no-build-isolation-package=account-registry; do
        "$uv" sync --quiet --frozen --inexact --project "$project" --python "$python" \
            --group build "$step" "$@" || fail "could not install the packages pinned in uv.lock."
    done
    if command -v flock >/dev/null 2>&1; then
        flock -u 9
        exec 9>&-
    fi
    venv="$UV_PROJECT_ENVIRONMENT"
    unset VIRTUAL_ENV PYTHONHOME PYTHONPATH || true
}
