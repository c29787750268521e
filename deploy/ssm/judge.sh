#!/bin/sh
# A pipeline step: asks nodes for a bundle through SSM Run Command and judges each answer here.
# The nonce makes sure that an old answer is no answer; what a node does not answer fails the step.
#
#   judge.sh DOCUMENT INSTANCE-ID...        reports go to ./reports/INSTANCE-ID.{txt,json,html}
#
# Needs: aws (with rights to ssm:SendCommand and ssm:GetCommandInvocation), rocketaudit.
set -u
[ $# -ge 2 ] || { echo "usage: judge.sh DOCUMENT INSTANCE-ID..." >&2; exit 2; }
document=$1
shift
mkdir -p reports
worst=0

# answer INSTANCE NONCE: what the instance printed
answer() {
  id=$(aws ssm send-command --document-name "$document" --instance-ids "$1" --parameters "Nonce=$2" \
    --query Command.CommandId --output text) || return 1
  aws ssm wait command-executed --command-id "$id" --instance-id "$1" || return 1
  aws ssm get-command-invocation --command-id "$id" --instance-id "$1" --query StandardOutputContent --output text
}

for instance in "$@"; do
  nonce=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  bundle=reports/$instance.txt
  if ! answer "$instance" "$nonce" >"$bundle"; then
    echo "$instance: no answer" >&2
    worst=3
    continue
  fi
  rocketaudit judge --bundle "$bundle" --nonce "$nonce" --max-age 1h \
    -o "json=reports/$instance.json" -o "html=reports/$instance.html"
  code=$?
  [ "$code" -le "$worst" ] || worst=$code
done
exit "$worst"
