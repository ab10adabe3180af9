# A worker, or the command itself:
#     docker build -t newsreplay .
#     docker run --rm -v "$PWD:/work" newsreplay run --data clicks.csv
#     docker run --rm --entrypoint dask newsreplay worker tcp://scheduler:8786 --nthreads 1
FROM python:3.11-slim

COPY pyproject.toml README.md LICENSE constraints.txt /source/
COPY newsreplay /source/newsreplay
RUN pip install --no-cache-dir -c /source/constraints.txt "/source[dask]" \
    && useradd --create-home newsreplay \
    && mkdir /work /home/newsreplay/cache \
    && chown newsreplay /work /home/newsreplay/cache

USER newsreplay
WORKDIR /work
ENV NEWSREPLAY_HOME=/home/newsreplay/cache OMP_NUM_THREADS=1
ENTRYPOINT ["newsreplay"]
CMD ["--help"]
