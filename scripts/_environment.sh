# Sourced by the other scripts: finds the project, and makes its Python environment.
#
# Everything lands in one folder of the project's own (`.environment/`): the
# installer, its cache and the packages that uv.lock pins. Where the checkout
# cannot be written (it belongs to someone else), the folder is made under the
# caller's cache folder instead. Nothing is installed system-wide.

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
        printf '%s\n' "$wanted"
    else
        cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}
        printf '%s/account-registry-%s/%s\n' \
            "$cache" "$(printf '%s' "$project" | cksum | cut -d' ' -f1)" "${1#.}"
    fi
}

# One installer at a time: two scripts started together wait for each other.
prepare_environment() { # groups...
    environment=$(own_folder .environment)
    mkdir -p "$environment"
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
        "$python" -m venv "$environment/installer" >&2 ||
            fail "could not make a virtual environment with $python (on Debian: apt-get install python3-venv)."
        "$environment/installer/bin/python" -m pip install --quiet 'uv>=0.5' >&2 ||
            fail "could not install uv; is a Python package index reachable?"
    fi
    "$uv" sync --quiet --frozen --inexact --project "$project" --python "$python" "$@" ||
        fail "could not install the packages pinned in uv.lock."
    if command -v flock >/dev/null 2>&1; then
        flock -u 9
        exec 9>&-
    fi
    venv="$UV_PROJECT_ENVIRONMENT"
    unset VIRTUAL_ENV PYTHONHOME PYTHONPATH || true
}
