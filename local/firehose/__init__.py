"""Amazon Data Firehose on one machine: a server for a delivery stream deployed to the emulator.

It speaks Firehose's wire protocol, so boto3 and the AWS CLI are its clients, and behaves as AWS
documents for streams with direct put, a Lambda processor and dynamic partitioning.
"""
