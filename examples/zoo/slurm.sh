#!/bin/sh
# A zoo on a Slurm cluster: one array task a shard, then one job that brings them together.
#   sbatch examples/zoo/slurm.sh                      (8 shards; --array=1-N for N)
#   sbatch --dependency=afterany:JOB --wrap 'laocoon lab merge "$ZOO"'
# A task that was killed is simply submitted again: nothing that is done is done twice.
#SBATCH --job-name=laocoon-zoo
#SBATCH --array=1-8
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=02:00:00
#SBATCH --requeue
set -eu
ZOO=${ZOO:-$SLURM_SUBMIT_DIR/zoo}
RECIPE=${RECIPE:-small}
exec laocoon lab zoo "$RECIPE" --out "$ZOO" \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --threads "$SLURM_CPUS_PER_TASK"
