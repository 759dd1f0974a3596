#!/usr/bin/env bash
# Deploy while the pipe is stopped and nothing is under way: for settings that the function and the
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

pipe=$(output PipeName)
buffer_seconds=$(aws firehose describe-delivery-stream --output text \
  --delivery-stream-name "$(output StreamName)" --query \
  "DeliveryStreamDescription.Destinations[0].ExtendedS3DestinationDescription.BufferingHints.IntervalInSeconds")

# Whatever happens, the pipe runs again: what then comes through too early is quarantined.
trap 'aws pipes start-pipe --name "$pipe" --output text' EXIT
aws pipes stop-pipe --name "$pipe" --output text

# A change takes 1.5 times Firehose's buffer at most, and some seconds in pipe and transform.
sleep $((buffer_seconds * 3 / 2 + 60))
npx cdk deploy "$@"

# AWS applies a stream's configuration "within a few minutes"
# (https://docs.aws.amazon.com/firehose/latest/APIReference/API_UpdateDestination.html).
sleep 300
