# Packs what executors need: pairwright as a wheel, and the wheel with all it stands on as one archive for --archives.
# The archive holds a virtual environment; nodes need Python 3.11 where PYTHON is here (or an image that has it).
# Usage: bash dist.sh PYTHON all|cpu       cpu leaves out torch and CUDA: enough for the stages that open no model
set -eu
python=$1
what=$2
home=build/environment

rm -rf build/lib build/bdist.* dist
bash "$(dirname "$0")/venv.sh" "$python" "$home"
"$home/bin/python" -m pip wheel --no-deps --wheel-dir dist .
"$home/bin/python" -m pip install -c constraints.txt "venv-pack==0.2.0" "$(ls dist/pairwright-*.whl)[cpu]"
"$home/bin/python" -m pip install --no-deps --force-reinstall dist/pairwright-*.whl # the code of today, whatever was there
without=""
if [ "$what" = cpu ]; then
    for name in torch torchgen functorch triton nvidia cusparselt; do
        without="$without --exclude */site-packages/$name/*"
    done
fi
set -f # the patterns are for venv-pack
# shellcheck disable=SC2086
"$home/bin/venv-pack" --quiet --force --prefix "$home" --output dist/environment.tar.gz --compress-level 1 $without
set +f
echo "note: $(ls dist/*.whl) and dist/environment.tar.gz, $(du -h dist/environment.tar.gz | cut -f1)"
