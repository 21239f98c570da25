# Makes a virtual environment with pip in it, also where the system Python comes without ensurepip.
# Usage: bash venv.sh PYTHON DIRECTORY
set -eu
python=$1
home=$2
if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    echo "'${python:-python3.11}' is not Python 3.11; try: make PYTHON=/path/to/python3.11 ..."
    exit 1
fi
if [ ! -x "$home/bin/python" ]; then
    "$python" -m venv "$home" || "$python" -m venv --without-pip "$home"
fi
if ! "$home/bin/python" -m pip --version; then
    # Debian keeps ensurepip in a package of its own; pip's wheel can install itself into the environment.
    "$python" -m pip install --upgrade --target "$home/lib/python3.11/site-packages" pip ||
        { echo "no pip and no ensurepip; try: apt install python3-venv, or another Python 3.11"; exit 1; }
fi
"$home/bin/python" -m pip install --upgrade "pip>=25"
