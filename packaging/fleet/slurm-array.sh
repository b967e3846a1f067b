#!/usr/bin/env bash
#SBATCH --job-name=kms-fleet
#SBATCH --array=0-7
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=01:00:00
#
# A fleet run in parts: one task of an array job for each shard.
#
#   sbatch packaging/fleet/slurm-array.sh plan.toml results
#   kms-sim fleet merge results/shard-*.json     # when all tasks have ended
#
# The array begins at 0; how many tasks it has is the number of shards. KMS_SIM names the program
# where it is not on the PATH.

set -euo pipefail

scenario=${1:?usage: slurm-array.sh SCENARIO FOLDER [OPTION OF kms-sim fleet run]...}
folder=${2:?usage: slurm-array.sh SCENARIO FOLDER [OPTION OF kms-sim fleet run]...}
shift 2
shard=${SLURM_ARRAY_TASK_ID:?this is a task of an array job: start it with sbatch}
of=${SLURM_ARRAY_TASK_COUNT:?this is a task of an array job: start it with sbatch}

mkdir -p "$folder"
exec "${KMS_SIM:-kms-sim}" fleet run "$scenario" --shard "$shard/$of" \
    --format json --output "$folder/shard-$shard.json" "$@"
