# A worker, or the command itself, as the user who calls it, so that the run folder is theirs:
#     docker build -t newsreplay .
#     docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" -v newsreplay:/cache newsreplay run --data clicks.csv
#     docker run --rm --entrypoint dask newsreplay worker tcp://scheduler:8786 --nthreads 1
# The volume newsreplay keeps compiled kernels and prepared data. Neural models need another extra, here and on the workers:
#     docker build -t newsreplay --build-arg EXTRAS=dask,neural .
FROM python:3.11-slim

ARG EXTRAS=dask
COPY pyproject.toml README.md LICENSE constraints.txt /source/
COPY newsreplay /source/newsreplay
RUN pip install --no-cache-dir -c /source/constraints.txt "/source[$EXTRAS]" \
    && useradd --uid 1000 newsreplay \
    && mkdir -m 1777 /work /cache

USER newsreplay
WORKDIR /work
ENV NEWSREPLAY_HOME=/cache HOME=/tmp OMP_NUM_THREADS=1
ENTRYPOINT ["newsreplay"]
CMD ["--help"]
