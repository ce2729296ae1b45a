# Three images from one file; the last is the default.
#
#   docker build --target serve -t fcn-serve .        serves a model over HTTP, on a CPU
#   docker build --target train -t fcn-train .        trains and runs all other commands, on a GPU
#   docker build -t fcn .                             labels images with infer.py
#
#   docker run --rm --read-only --tmpfs /tmp:size=256m --cap-drop ALL --memory 8g --pids-limit 1024 --ulimit nofile=4096 \
#     -p 127.0.0.1:8501:8501 -v "$PWD/exported/voc:/models:ro" fcn-serve
#   docker run --rm --gpus all --user "$(id -u)" -v "$PWD:/work" fcn-train train configs/voc_fcn8s.yaml --run runs/voc
#   docker run --rm --gpus all --user "$(id -u)" -v "$PWD:/work" fcn-train export runs/voc exported/voc
#   docker run --rm --user "$(id -u)" -v "$PWD:/work" fcn runs/voc images --output labels --overlay
#
# infer.py on a GPU: docker build --build-arg REQUIREMENTS=gpu -t fcn-gpu ., and run it with --gpus all.
# On several GPUs: train.py ... --set train.devices=all. With JAX or PyTorch, installed in an image built on
# fcn-train: --env KERAS_BACKEND=jax. On several hosts: --network host and --env of each variable in docs/gpu.md.
#
# BASE_IMAGE is any Debian or Ubuntu with Python 3.11 to 3.13 and its venv. To install packages from your own
# mirror: docker build --secret id=pip,src=pip.conf ...; the file is not stored in an image.
ARG BASE_IMAGE=python:3.12-slim


FROM ${BASE_IMAGE} AS packages
# Packages are installed here and then copied, so that images contain neither pip nor its settings.
RUN python3 -m venv /opt/venv
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONFIG_FILE=/run/secrets/pip
COPY requirements/ /requirements/

FROM packages AS serve-packages
RUN --mount=type=secret,id=pip \
    /opt/venv/bin/python -m pip install --require-hashes -r /requirements/serve.txt \
    && /opt/venv/bin/python -m pip uninstall --yes pip \
    && rm -r /opt/venv/lib/python3*/site-packages/tensorflow/include
# The last line removes 430 MB of headers, which are only needed to compile against TensorFlow.

FROM packages AS train-packages
RUN --mount=type=secret,id=pip \
    /opt/venv/bin/python -m pip install --require-hashes -r /requirements/gpu.txt

FROM packages AS infer-packages
ARG REQUIREMENTS=runtime
RUN --mount=type=secret,id=pip \
    /opt/venv/bin/python -m pip install --require-hashes -r /requirements/${REQUIREMENTS}.txt


FROM ${BASE_IMAGE} AS runtime
LABEL org.opencontainers.image.title="fcn" \
      org.opencontainers.image.description="Fully convolutional networks for semantic segmentation" \
      org.opencontainers.image.licenses="MIT"
# HOME is the only folder that any user may write to.
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/fcn HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY LICENSE /opt/fcn/
COPY fcn/ /opt/fcn/fcn/
USER 1000
WORKDIR /work


FROM runtime AS serve
COPY --from=serve-packages /opt/venv/ /opt/venv/
EXPOSE 8501
# For gRPC, with docker run ... -p 127.0.0.1:8500:8500 fcn-serve /models --grpc-port 8500.
EXPOSE 8500
STOPSIGNAL SIGTERM
# With Python, since a slim base has no curl. It succeeds while a model is loaded and its engine gets on.
HEALTHCHECK --interval=10s --timeout=5s --start-period=2m \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/v2/health/ready', timeout=4)"]
# Listens on all addresses of the container; only docker run -p makes it reachable. Without a token it answers at an IP
# address, at localhost and at the container's own name; docker run ... fcn-serve /models --allowed-host NAME adds another.
ENTRYPOINT ["python", "-m", "fcn", "serve", "--host", "0.0.0.0"]
CMD ["/models"]


FROM runtime AS train
COPY --from=train-packages /opt/venv/ /opt/venv/
COPY infer.py train.py /opt/fcn/
COPY configs/ /opt/fcn/configs/
ENTRYPOINT ["python", "-m", "fcn"]
CMD ["--help"]


FROM runtime AS infer
COPY --from=infer-packages /opt/venv/ /opt/venv/
COPY infer.py train.py /opt/fcn/
COPY configs/ /opt/fcn/configs/
ENTRYPOINT ["python", "/opt/fcn/infer.py"]
CMD ["--help"]
