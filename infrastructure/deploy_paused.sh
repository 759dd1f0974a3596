#!/usr/bin/env bash
# Deploy while the feed is stopped and nothing is under way: for settings that the transform and the
# delivery stream must agree on. The changes wait in the table's stream.
# Usage: infrastructure/deploy_paused.sh STACK CDK_OPTION...
set -euo pipefail
cd "$(dirname "$0")"
stack=$1
shift

output() {
  aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}

mapping_is() {
  [ "$(aws lambda get-event-source-mapping --uuid "$mapping" --output text --query State)" = "$1" ]
}

# A mapping refuses to be changed until the change before is done.
switch_mapping() {
  aws lambda update-event-source-mapping --uuid "$mapping" "--$1" --output text --query State
  until mapping_is "$2"; do sleep 5; done
}

if [ "$(output Feed)" = function ]; then
  mapping=$(output FeedMapping)
  stop_feed() { switch_mapping no-enabled Disabled; }
  start_feed() {
    while mapping_is Disabling; do sleep 5; done
    switch_mapping enabled Enabled
  }
else
  pipe=$(output PipeName)
  stop_feed() { aws pipes stop-pipe --name "$pipe" --output text; }
  start_feed() { aws pipes start-pipe --name "$pipe" --output text; }
fi
buffer_seconds=$(aws firehose describe-delivery-stream --output text \
  --delivery-stream-name "$(output StreamName)" --query \
  "DeliveryStreamDescription.Destinations[0].ExtendedS3DestinationDescription.BufferingHints.IntervalInSeconds")

# Whatever happens, the feed runs again: what then comes through too early is quarantined.
trap start_feed EXIT
stop_feed

# A change takes 1.5 times Firehose's buffer at most, and some seconds in feed and transform.
sleep $((buffer_seconds * 3 / 2 + 60))
npx cdk deploy "$@"

# AWS applies a stream's configuration "within a few minutes"
# (https://docs.aws.amazon.com/firehose/latest/APIReference/API_UpdateDestination.html).
sleep 300
