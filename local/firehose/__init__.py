"""Amazon Data Firehose on one machine: a server for delivery streams deployed to the emulator.

It speaks Firehose's wire protocol, so boto3 and the AWS CLI are its clients, and behaves as AWS
documents for streams with direct put, a Lambda processor and dynamic partitioning into S3.

Not as on AWS: nobody is throttled or authenticated; an object that S3 refuses is retried until the
server stops, not for 24 hours; buffered records survive a kill only with a journal, and then may be
delivered twice; a stream's configuration is read when the server starts.
"""
