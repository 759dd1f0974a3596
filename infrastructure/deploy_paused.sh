#!/usr/bin/env bash
# Deploy while the feed is stopped and nothing is under way: for settings that the transform and the
# delivery stream must agree on. The changes wait in the table's stream.
# Usage: infrastructure/deploy_paused.sh STACK CDK_OPTION...
set -euo pipefail
shopt -s nocasematch
cd "$(dirname "$0")"
stack=$1
shift

output() {
  aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}

if [ "$(output Feed)" = function ]; then
  mapping=$(output FeedMapping)
  ask_state() { aws lambda get-event-source-mapping --uuid "$mapping" --output text --query State; }
  switch() { aws lambda update-event-source-mapping --uuid "$mapping" --output text --query State "$@"; }
  stop=--no-enabled start=--enabled
else
  pipe=$(output PipeName)
  ask_state() { aws pipes describe-pipe --name "$pipe" --output text --query CurrentState; }
  switch() { aws pipes "$@" --name "$pipe" --output text --query CurrentState; }
  stop=stop-pipe start=start-pipe
fi
buffer_seconds=$(aws firehose describe-delivery-stream --output text \
  --delivery-stream-name "$(output StreamName)" --query \
  "DeliveryStreamDescription.Destinations[0].ExtendedS3DestinationDescription.BufferingHints.IntervalInSeconds")

# AWS refuses to change a feed until the change before is done.
settle() {
  while state=$(ask_state) && [[ $state =~ ^(creat|updat|start|stopp|enabl|disabl)ing$ ]]; do
    sleep 5
  done
}

must_be() {
  [[ $state =~ ^($1)$ ]] || { echo "error: the feed is ${state:-not to be found}, not $1" >&2; exit 1; }
}

start_feed() {
  settle
  [[ $state =~ ^(running|enabled)$ ]] || { switch "$start"; settle; }
  must_be "running|enabled"
}

# Whatever happens, the feed runs again: what then comes through too early is quarantined.
trap start_feed EXIT
settle
switch "$stop"
settle
must_be "stopped|disabled"

# A stopped pipe may read on for two minutes
# (https://docs.aws.amazon.com/eventbridge/latest/userguide/pipes-start-stop.html), and a disabled
# mapping for 90 seconds; the function has two minutes for a batch. Then a change takes 1.5 times
# Firehose's buffer at most, and some seconds in the transform.
sleep $((buffer_seconds * 3 / 2 + 240))
npx cdk deploy "$@"

# AWS applies a stream's configuration "within a few minutes"
# (https://docs.aws.amazon.com/firehose/latest/APIReference/API_UpdateDestination.html).
sleep 300
