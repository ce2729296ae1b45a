# Labels photographs with a trained model:
#   docker build -t fcn .
#   docker run --rm --user "$(id -u)" -v "$PWD:/work" fcn runs/voc photographs --output labels --overlay
# On a GPU (training too: --entrypoint python fcn-gpu /opt/fcn/train.py ...):
#   docker build --build-arg REQUIREMENTS=gpu -t fcn-gpu .
#   docker run --rm --gpus all --user "$(id -u)" -v "$PWD:/work" fcn-gpu ...
# On several GPUs: train.py ... --set train.devices=all. On JAX or PyTorch, installed on top of this image:
# --env KERAS_BACKEND=jax. On several hosts: --network host and --env of each variable in README.md, "GPU".
ARG BASE_IMAGE=python:3.12-slim
FROM ${BASE_IMAGE}

ARG REQUIREMENTS=runtime
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONPATH=/opt/fcn HOME=/tmp

WORKDIR /opt/fcn
COPY requirements/ requirements/
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/${REQUIREMENTS}.txt
COPY infer.py train.py LICENSE ./
COPY fcn/ fcn/
COPY configs/ configs/

USER 1000
WORKDIR /work
ENTRYPOINT ["python", "/opt/fcn/infer.py"]
CMD ["--help"]
