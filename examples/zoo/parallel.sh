#!/bin/sh
# A zoo on all cores of one machine, or on several by ssh, with GNU parallel: a shard a core, one thread each.
#   examples/zoo/parallel.sh [DIR [RECIPE [SHARDS]]]
# On several machines with a folder in common: PARALLEL='--sshloginfile hosts' examples/zoo/parallel.sh /shared/zoo
set -eu
ZOO=${1:-zoo} RECIPE=${2:-small} SHARDS=${3:-$(nproc)}
seq "$SHARDS" | parallel --line-buffer --tag \
    laocoon lab zoo "$RECIPE" --out "$ZOO" --shard "{}/$SHARDS" --threads 1
exec laocoon lab merge "$ZOO"
