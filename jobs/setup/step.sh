# Runs one set-up step: one line on the terminal, everything else in $LOG.
# Usage: LOG=file bash step.sh "label" command args...
set -u
label=$1
shift
mkdir -p "$(dirname "$LOG")"
printf 'setup  %-34s ' "$label"
begin=$(date +%s)
printf '\n=== %s: %s\n' "$label" "$*" >>"$LOG"
from=$(wc -l <"$LOG")
if "$@" >>"$LOG" 2>&1; then
    # A step may hand one line of its own to the terminal by logging `note: ...`.
    note=$(tail -n "+$from" "$LOG" | sed -n 's/^note: //p' | tail -n 1)
    printf '%4ds  %s\n' "$(($(date +%s) - begin))" "${note:-done}"
else
    printf 'failed; the end of %s:\n' "$LOG"
    tail -n 15 "$LOG"
    exit 1
fi
