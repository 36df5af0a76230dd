#!/usr/bin/env bash
# Makes build/peers: a virtual environment with this checkout of quickstudy, easyfsl 1.5.0, learn2learn 0.2.0, higher 0.2.1,
# torchopt 0.7.3 and avalanche-lib 0.6.0.
# Unattended, by pip alone; running it again makes it anew. PYTHON chooses the interpreter (3.11 was used), TORCH what pip installs for it.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3.11}
torch=${TORCH:-torch==2.13.0}
place=$PWD/build/peers
sources=$PWD/build/peers-sources

rm -rf "$place" "$sources"
"$python" -m venv "$place"
install() { "$place/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

# 1. PyTorch first, so that nothing below chooses another one.
install "setuptools>=77,<81" wheel
# shellcheck disable=SC2086  # several words on purpose
install $torch

# 2. quickstudy from this checkout, and what it needs.
install numpy safetensors scikit-learn pillow matplotlib tqdm tyro
install --no-deps --no-build-isolation --editable .

# 3. easyfsl. Its torchvision comes without dependencies: from PyPI it wants a CUDA torch (bench/peers.py deals with that).
install pandas requests scipy
install --no-deps torchvision==0.28.0 easyfsl==1.5.0

# 4. learn2learn. The C in its archive was made for Python < 3.11 (it includes longintrepr.h), the Cython it was made
#    from is there too: translate that again with the last Cython 0.29, then build as it is.
install "cython==0.29.37" gym==0.26.2
mkdir -p "$sources"
"$place/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary learn2learn \
    --no-build-isolation --dest "$sources" learn2learn==0.2.0
tar -xzf "$sources/learn2learn-0.2.0.tar.gz" -C "$sources"
"$place/bin/cython" -3 "$sources"/learn2learn-0.2.0/learn2learn/data/*.pyx
install --no-deps --no-build-isolation "$sources/learn2learn-0.2.0"

# 5. higher and torchopt, which ask for nothing but a torch and these two.
install optree graphviz
install --no-deps higher==0.2.1 torchopt==0.7.3

# 6. avalanche-lib, whose wandb and torchvision come without what they would choose themselves.
install psutil gputil tensorboard gdown dill "qpsolvers[open_source_solvers]" lightning-utilities
install wandb==0.19.11
install --no-deps pytorchcv torchmetrics avalanche-lib==0.6.0

cd bench && "$place/bin/python" -c "import peers; print(peers.versions())"
